/** From what is wanted to commits that the relay takes: as many as it needs. */
import type { ConversationState } from "../../../client/src/session/conversation.ts";
import { newIntent, planFor } from "../../../client/src/session/intents.ts";
import { createPending } from "../../../client/src/session/pendingCommit.ts";
import { device, groupOfTwo, keyPackageOf, now } from "../support/devices.ts";

/** As long as an identity provider's names may be. */
const longName = (index: number): string => `account-${index}-`.padEnd(128, "x");
const frame = 32_768;

it("names no more accounts in one commit than its frame holds", async () => {
  const alice = await device("alice");
  const claimed = [];
  for (let i = 0; i < 100; i++) {
    const one = await device(longName(i));
    const { bytes } = await keyPackageOf(one);
    claimed.push({ account: one.account, device: one.device, claim: `claim-${i}`, keyPackage: bytes });
  }
  const { state: creating } = await createPending(alice, groupOfTwo, [claimed[0]!], now);
  const pair: ConversationState = { ...creating, phase: "open", group: creating.pending!.next, pending: undefined };
  const accounts = claimed.map(({ account }) => account);
  const invitation = planFor(alice, pair, { ...newIntent(alice, { kind: "invite", accounts, claimed }) });
  if (invitation.kind !== "commit") throw new Error(invitation.kind);
  const { adds } = invitation.wish;
  expect(adds.length).toBeGreaterThan(50);
  expect(JSON.stringify(adds.map(({ account }) => account)).length).toBeLessThan(frame / 2);

  const { state: whole } = await createPending(alice, groupOfTwo, claimed, now);
  const crowd: ConversationState = { ...whole, phase: "open", group: whole.pending!.next, pending: undefined };
  const removal = planFor(alice, crowd, newIntent(alice, { kind: "remove", accounts }));
  if (removal.kind !== "commit") throw new Error(removal.kind);
  expect(removal.wish.removes.length).toBe(adds.length);
  const left = planFor(alice, pair, newIntent(alice, { kind: "remove", accounts: accounts.slice(1) }));
  expect(left.kind).toBe("done");
});
