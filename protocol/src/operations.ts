/** Every operation that a client can ask of the relay. */
import type * as v from "valibot";
import { acknowledgeInbox } from "./operations/acknowledgeInbox.ts";
import { append } from "./operations/append.ts";
import { claimKeyPackages } from "./operations/claimKeyPackages.ts";
import { commit } from "./operations/commit.ts";
import { countKeyPackages } from "./operations/countKeyPackages.ts";
import { createConversation } from "./operations/createConversation.ts";
import { downloadBlob } from "./operations/downloadBlob.ts";
import { getAccount } from "./operations/getAccount.ts";
import { getBackup } from "./operations/getBackup.ts";
import { hello } from "./operations/hello.ts";
import { propose } from "./operations/propose.ts";
import { publishKeyPackages } from "./operations/publishKeyPackages.ts";
import { putAccount } from "./operations/putAccount.ts";
import { putBackup } from "./operations/putBackup.ts";
import { read } from "./operations/read.ts";
import { readInbox } from "./operations/readInbox.ts";
import { sendInbox } from "./operations/sendInbox.ts";
import { signal } from "./operations/signal.ts";
import { stageWelcomes } from "./operations/stageWelcomes.ts";
import { uploadBlob } from "./operations/uploadBlob.ts";

export const operations = {
  hello,
  putAccount,
  getAccount,
  publishKeyPackages,
  countKeyPackages,
  claimKeyPackages,
  stageWelcomes,
  createConversation,
  commit,
  propose,
  append,
  read,
  readInbox,
  acknowledgeInbox,
  sendInbox,
  putBackup,
  getBackup,
  signal,
  uploadBlob,
  downloadBlob,
} as const;

export type Operation = keyof typeof operations;
/** What the relay sees of a request of operation `O`. */
export type Request<O extends Operation> = v.InferOutput<(typeof operations)[O]["request"]>;
export type Answer<O extends Operation> = v.InferOutput<(typeof operations)[O]["answer"]>;
/** All requests, told apart by `op`. */
export type AnyRequest = { [O in Operation]: { readonly op: O } & Request<O> }[Operation];
