/** What is said between the run without a browser and Bob's process. */
import type { Line } from "./script.ts";

export type BobConfig = {
  readonly url: string;
  readonly account: string;
  /** Path of Bob's SQLite file. */
  readonly store: string;
};

export type ToBob =
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "send"; readonly text: string }
  /** To be answered with `finished` once nothing waits any more, in or out. */
  | { readonly type: "finish" };

export type FromBob =
  | { readonly type: "tokenPlease" }
  | { readonly type: "ready" }
  | { readonly type: "read"; readonly line: Line }
  /** Durable on Bob's device; whether it was sent is another matter. */
  | { readonly type: "queued"; readonly text: string }
  | { readonly type: "finished" }
  | { readonly type: "failed"; readonly reason: string };
