/** What is said between the story and those whose processes it kills. */

export interface Orders {
  readonly url: string;
  readonly account: string;
  /** Path of the SQLite file. */
  readonly store: string;
}

export type ToChatterer =
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "create"; readonly title: string; readonly members: readonly string[] }
  | { readonly type: "send"; readonly title: string; readonly text: string }
  | { readonly type: "rotate"; readonly title: string }
  /** Answered when nothing waits any more and the text `until` was shown. */
  | { readonly type: "report"; readonly title: string; readonly until: string };

export type FromChatterer =
  | { readonly type: "tokenPlease" }
  | { readonly type: "ready" }
  | { readonly type: "created" }
  | { readonly type: "promised"; readonly text: string }
  | { readonly type: "report"; readonly lines: readonly string[]; readonly others: readonly string[] }
  | { readonly type: "noted"; readonly text: string };
