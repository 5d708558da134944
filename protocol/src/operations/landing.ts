/** What creating a conversation and committing to it share: an MLS commit, the roster it makes, the Welcomes it sends. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import {
  accountId,
  blobReference,
  conversationId,
  deviceId,
  entryId,
  payload,
  seq,
  time,
  turn,
} from "../primitives.ts";
import { claimId } from "./claimKeyPackages.ts";

export const welcome = v.strictObject({
  device: deviceId,
  /** The claim on the key package that this Welcome answers. */
  claim: claimId,
  payload,
});

export const landing = {
  conversation: conversationId,
  /** Chosen by the sender; recognises a retry. */
  entry: entryId,
  payload,
  welcomes: v.pipe(v.array(welcome), v.maxLength(limits.welcomes)),
  /** Welcomes under this entry's id were staged before (stageWelcomes.ts), and come into force with it. */
  staged: v.optional(v.literal(true)),
  /** Further blobs that the payload refers to (the tree of a Welcome), which are to be kept. */
  blobs: v.pipe(v.array(blobReference), v.maxLength(limits.blobs)),
};

export const accounts = v.pipe(v.array(accountId), v.maxLength(limits.rosterDelta));

/** Where an entry stands in the log. */
export const landed = v.object({ id: entryId, seq, turn, at: time });
