/**
 * What somebody who was removed, or whose state is older than the group, can still say: each test is of one defence that stands alone
 * there. `test/scenario/attacks/rolledBackState.test.ts` plays the attacks, where several stand behind each other.
 */
import { createCommit, createMessage } from "@tacit/mls";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { encodeCommitData } from "../../../client/src/session/reading/commitData.ts";
import type { ConversationState, SessionContext } from "../../../client/src/session/conversation.ts";
import { newIntent, planFor } from "../../../client/src/session/intents.ts";
import { changePending } from "../../../client/src/session/pendingCommit.ts";
import { isToBeReadmitted } from "../../../client/src/session/repair/repairRequest.ts";
import { identities, leavesOf, type Group } from "../../../client/src/session/group/group.ts";
import { apply, keyPackageOf, now, provider, rotatePending } from "../support/devices.ts";
import { accountKey, deviceUnder, party } from "../support/forger.ts";

const kinds = ({ items }: { readonly items: readonly { readonly kind: string }[] }): readonly string[] =>
  items.map(({ kind }) => kind);

/** Alice, who owns it, has removed Mallory; Bob was there. Mallory's state is of before. */
async function removed() {
  const alice = await deviceUnder(await accountKey(), "alice");
  const bob = await deviceUnder(await accountKey(), "bob");
  const mallory = await deviceUnder(await accountKey(), "mallory");
  const { log, states } = await party([alice, bob, mallory]);
  const [before, atBob, atMallory] = states as [ConversationState, ConversationState, ConversationState];
  const removes = leavesOf(before.group!)
    .filter(({ identity }) => identity.account === "mallory")
    .map(({ leafIndex }) => leafIndex);
  const wish = { intent: undefined, removes, adds: [], data: undefined };
  const { state } = await changePending(alice, before, wish, now);
  log.commit(state.pending!.commit, "alice", { remove: ["mallory"] });
  return {
    ...{ log, alice, bob, mallory, atMallory },
    atAlice: (await apply(alice, state, log.entries)).state,
    atBob: (await apply(bob, atBob, log.entries)).state,
  };
}

async function commitIn(by: SessionContext, group: Group, turn: number) {
  return createCommit(group, {
    authentication: authentication(by),
    forcePath: true,
    authenticatedData: encodeCommitData({ turn, add: [], remove: [], blobs: [], log: undefined }),
  });
}

describe("the epoch that a commit names", () => {
  it("voids one of an epoch to come, which the engine alone would take for a reason to give up", async () => {
    const { log, alice, bob, atAlice, atBob } = await removed();
    const { next } = await commitIn(alice, atAlice.group!, 2);
    const step = await apply(bob, atBob, [log.commit((await commitIn(alice, next, 2)).commit, "alice")]);
    expect(kinds(step)).toEqual(["void"]);
    expect(step.state).toMatchObject({ phase: "open", group: atBob.group });
  });

  it("voids an own one that was made in another, where nothing else looks at it: its group was computed before", async () => {
    const { log, bob, atBob } = await removed();
    const rotating = (await rotatePending(bob, atBob)).state;
    const { next } = await commitIn(bob, atBob.group!, 2);
    const elsewhere = await commitIn(bob, next, 2);
    const hash = Buffer.from(provider.hashes["SHA-256"].digest(elsewhere.commit)).toString("base64url");
    const pending = { ...rotating.pending!, commit: elsewhere.commit, next: elsewhere.next, hash };
    const step = await apply(bob, { ...rotating, pending }, [log.commit(elsewhere.commit, "bob")]);
    expect(kinds(step)).toEqual(["void"]);
    expect(step.state).toMatchObject({ phase: "open", pending: undefined });
    expect(step.state.group!.epoch).toBe(atBob.group!.epoch);
  });
});

describe("a message of the epoch before", () => {
  it("is not read: nothing of that epoch is kept", async () => {
    const { log, bob, atBob, atMallory } = await removed();
    const { message } = await createMessage(atMallory.group!, new TextEncoder().encode("it is me"));
    const step = await apply(bob, atBob, [log.message(message)]);
    expect(step.items).toMatchObject([{ kind: "unreadable", reason: "cannot_decrypt" }]);
  });
});

describe("a request to be put in anew by a device that was removed", () => {
  it("is not answered: the group has no leaf of it", async () => {
    const { alice, bob, mallory, atAlice, atMallory } = await removed();
    const own = { account: "alice", device: alice.device };
    const requestOf = ({ account, device }: SessionContext) => {
      const { accountKey: key } = identities(atMallory.group!).find((leaf) => leaf.device === device)!;
      const keys = { deviceKey: "", signatureKeys: {}, issuedAt: now };
      return {
        conversation: atAlice.log,
        at: now,
        log: undefined,
        certificate: { ...keys, account, device, accountKey: key },
      };
    };
    expect(isToBeReadmitted(atAlice, requestOf(bob), own, now)).toBe(true);
    expect(isToBeReadmitted(atAlice, requestOf(mallory), own, now)).toBe(false);
  });

  it("comes to nothing where it was believed before the removal was read", async () => {
    const { alice, mallory, bob, atAlice } = await removed();
    const planned = async ({ account, device }: SessionContext, of: SessionContext): Promise<string> => {
      const { bytes: keyPackage } = await keyPackageOf(of);
      const claimed = [{ account, device, claim: "c", keyPackage }];
      return planFor(alice, atAlice, newIntent(alice, { kind: "readmit", account, device, since: now, claimed })).kind;
    };
    expect(await planned(bob, bob)).toBe("commit");
    expect(await planned(mallory, mallory)).toBe("done");
  });
});
