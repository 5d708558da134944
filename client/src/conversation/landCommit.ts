/** Bringing the own commit to the relay, with its Welcomes and the tree: all of it is in the request, or laid in place before it. */
import { encodeBase64Url, limits, type Answer, type BlobReference, type Payload, type Request } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import { sendable, sendableTogether, uploaded, type PayloadDeps } from "../payloads.ts";
import { Refused } from "../connection/relaySocket.ts";
import type { ReadEntry } from "../session/reading/applied.ts";
import type { ConversationState, PendingCommit } from "../session/conversation.ts";
import { groupDataOf } from "../session/group/group.ts";
import { utf8 } from "../session/bytes.ts";

export interface LandingDeps extends PayloadDeps {
  readonly connection: Pick<Connection, "request">;
}

/**
 * What is laid in place already for one commit, so that another attempt after a lost answer does not do it again. In memory alone: after
 * a restart everything is repeated, which does no harm.
 */
export interface LandingProgress {
  readonly entry: string;
  readonly since: number;
  readonly uploaded: Map<Uint8Array, BlobReference>;
  /** Welcomes, from the first on. */
  staged: number;
}

/** Milliseconds after which nothing is taken for granted: uploads and stages last a day. */
const progressLife = 3_600_000;

/** `known` where it is of this commit, and not old. */
export function progressOf(known: LandingProgress | undefined, { entry }: PendingCommit, now: number): LandingProgress {
  if (known?.entry === entry && now - known.since < progressLife) return known;
  return { entry, since: now, uploaded: new Map(), staged: 0 };
}

/** Room in a request frame for what is around the payloads of a commit, and around each Welcome. */
const overhead = { commit: 2_048, welcome: 320 };

/** @throws Refused, LostAnswer */
export async function landCommit(
  deps: LandingDeps,
  { log, roster, data }: ConversationState,
  pending: PendingCommit,
  options: { readonly withoutPicture: boolean; readonly progress: LandingProgress },
): Promise<Answer<"commit">> {
  const { connection } = deps;
  const { commit, tree } = pending;
  const { progress } = options;
  const treeBlob = tree === undefined ? undefined : await uploadedOnce(deps, progress, tree);
  const picture = options.withoutPicture ? undefined : groupDataOf(pending.next)?.picture;
  const blobs = [
    ...(treeBlob === undefined ? [] : [treeBlob]),
    // Named again with each commit, so that it lives as long as the group does something.
    ...(picture === undefined ? [] : [{ hash: picture.hash, size: picture.size }]),
  ];
  const { add, remove, turn } = pending;
  const deltaSize = utf8(JSON.stringify([add, remove, roster])).length;
  const room = limits.requestFrame - overhead.commit - deltaSize;
  const together = await payloadsTogether(deps, pending, room);
  if (together === undefined) await stageWelcomes(deps, log, pending, progress);
  const landing = {
    conversation: log,
    entry: pending.entry,
    payload: together?.payload ?? (await sendableOnce(deps, progress, commit)),
    welcomes: together?.welcomes ?? [],
    ...(together === undefined ? { staged: true as const } : {}),
    blobs,
  };
  if (pending.kind === "change") {
    const { after } = pending;
    return connection.request("commit", { ...landing, turn, after, add: [...add], remove: [...remove] });
  }
  const { generation, predecessor } = data;
  return connection.request("createConversation", {
    ...landing,
    roster: [...add],
    generation,
    ...(predecessor === undefined ? {} : { predecessor }),
  });
}

async function uploadedOnce(deps: PayloadDeps, progress: LandingProgress, bytes: Uint8Array): Promise<BlobReference> {
  const blob = progress.uploaded.get(bytes) ?? (await uploaded(deps, bytes)).blob;
  progress.uploaded.set(bytes, blob);
  return blob;
}

async function sendableOnce(deps: PayloadDeps, progress: LandingProgress, bytes: Uint8Array): Promise<Payload> {
  if (bytes.length <= limits.inlinePayload) return sendable(deps, bytes);
  return { blob: await uploadedOnce(deps, progress, bytes) };
}

type Welcomes = Request<"commit">["welcomes"];

/** Undefined where the Welcomes do not fit one frame. */
async function payloadsTogether(
  deps: PayloadDeps,
  { commit, welcomes }: PendingCommit,
  room: number,
): Promise<{ readonly payload: Payload; readonly welcomes: Welcomes } | undefined> {
  const around = overhead.welcome * welcomes.length;
  const inline = welcomes.reduce((size, { welcome }) => size + base64Length(welcome.length), 0);
  const fits = around + inline + overhead.welcome <= room && welcomes.length <= limits.welcomes;
  if (!fits && welcomes.length > few) return undefined;
  const parts = [commit, ...welcomes.map(({ welcome }) => welcome)];
  const [payload, ...rest] = await sendableTogether(deps, parts, room - around);
  return {
    payload: payload!,
    welcomes: welcomes.map(({ device, claim }, index) => ({ device, claim, payload: rest[index]! })),
  };
}

/** Up to so many Welcomes that do not fit go by blob: staging takes requests too. */
const few = 3;

async function stageWelcomes(
  deps: LandingDeps,
  conversation: string,
  { entry, welcomes }: PendingCommit,
  progress: LandingProgress,
): Promise<void> {
  let frame: Welcomes = [];
  let used = 0;
  const room = limits.requestFrame - overhead.commit;
  const send = async (): Promise<void> => {
    if (frame.length > 0) await deps.connection.request("stageWelcomes", { conversation, entry, welcomes: frame });
    progress.staged += frame.length;
    frame = [];
    used = 0;
  };
  for (const { device, claim, welcome } of welcomes.slice(progress.staged)) {
    const payload: Payload =
      welcome.length <= limits.inlinePayload
        ? { inline: encodeBase64Url(welcome) }
        : { blob: await uploadedOnce(deps, progress, welcome) };
    const size = overhead.welcome + ("inline" in payload ? payload.inline.length : 0);
    if (used + size > room || frame.length >= limits.welcomes) await send();
    frame.push({ device, claim, payload });
    used += size;
  }
  await send();
}

function base64Length(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}

/**
 * Whether the own commit ended its turn, where what did expired before it was read: the relay answers whoever repeats the last commit of a
 * log as it did the first time, and looks at nothing else. Undefined: another commit ended it.
 * @throws LostAnswer, Refused where it is to be asked again
 */
export async function askWhetherLanded(
  connection: LandingDeps["connection"],
  conversation: string,
  pending: PendingCommit,
): Promise<Answer<"commit"> | undefined> {
  const { entry, turn, after, add, remove } = pending;
  // Nothing is uploaded, and a relay in whose log the turn is not over after all refuses it: it would land without its Welcomes.
  const bare = { payload: asBlob(pending), welcomes: [], blobs: [], add: [...add], remove: [...remove] };
  try {
    return await connection.request("commit", { conversation, entry, turn, after, ...bare });
  } catch (error) {
    if (error instanceof Refused && !error.refusal.retryable) return undefined;
    throw error;
  }
}

/**
 * The entry of an own commit, as its maker knows it without reading: where it expired unread, the answer is all there is. `cursor`: the last
 * entry that was read.
 */
export function landedEntry(
  { account }: { readonly account: string },
  pending: PendingCommit,
  { seq, at }: Pick<Answer<"commit">, "seq" | "at">,
  cursor: number,
): ReadEntry {
  const { commit, entry: id, turn, add, remove } = pending;
  const roster = { add: [...add], remove: [...remove] };
  const prev = seq === cursor + 1 ? cursor : seq - 1;
  const place = { seq, prev, id, turn, at, expires: at };
  return { entry: { kind: "commit", ...place, payload: asBlob(pending), account, roster }, payload: commit };
}

function asBlob({ commit, hash }: PendingCommit): Payload {
  return { blob: { hash, size: commit.length } };
}
