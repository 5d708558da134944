/** What a device has to say to others of its account. */
import { memoryStore } from "@tacit/client/memory";
import { decodeBase64Url, type Refusal } from "@tacit/protocol";
import { AccountSends } from "../../client/src/account/accountSends.ts";
import type { TacitError } from "../../client/src/errors.ts";
import { LostAnswer, Refused } from "../../client/src/connection/relaySocket.ts";
import { sealedStore } from "../../client/src/sealedStore.ts";
import { provider } from "./support/devices.ts";

const laptop = "L".repeat(22);
const phone = "P".repeat(22);
const revoked: Refusal = { code: "unknown_account", message: "no such device", retryable: false, requestId: "r1" };
const busy: Refusal = { code: "busy", message: "later", retryable: true, requestId: "r2" };

/** `answer` may throw; `sent` has what the relay took. */
async function sends(listed: readonly string[], answer: (device: string) => void) {
  const raw = memoryStore();
  const store = await sealedStore(raw, raw.vault!, provider.random);
  const failures: TacitError[] = [];
  const sent: string[] = [];
  const asked: unknown[] = [];
  const account = new AccountSends({
    store,
    provider,
    connection: {
      request: (_, request) => {
        const { device, message, payload } = request as unknown as Asked;
        asked.push(message);
        answer(device);
        sent.push(`${device[0]}${decodeBase64Url(payload.inline)[0]}`);
        return Promise.resolve({});
      },
    },
    failed: (error) => failures.push(error),
    isListed: (device) => listed.includes(device),
  });
  const queue = async (...devices: readonly string[]) =>
    store.commit(await account.queued(devices.map((device, index) => ({ device, message: Uint8Array.of(index + 1) }))));
  return { account, queue, failures, sent, asked, waiting: async () => (await store.scan("a/send/")).length };
}

interface Asked {
  readonly device: string;
  readonly message: string;
  readonly payload: { readonly inline: string };
}

describe("messages to others of the account", () => {
  it("are delivered in order, across the times they were queued", async () => {
    const { account, queue, sent, waiting } = await sends([laptop, phone], () => {});
    await queue(laptop, phone);
    await queue(laptop);
    await Promise.all([account.deliver("alice"), account.deliver("alice")]);
    expect(sent).toEqual(["L1", "P2", "L1"]);
    expect(await waiting()).toBe(0);
  });

  it("to a device that was revoked meanwhile are given up: nobody is told, and the others get theirs", async () => {
    const { account, queue, failures, sent, waiting } = await sends([phone], (device) => {
      if (device === laptop) throw new Refused(revoked);
    });
    await queue(laptop, phone);
    await account.deliver("alice");
    expect(sent).toEqual(["P2"]);
    expect(failures).toEqual([]);
    expect(await waiting()).toBe(0);
  });

  it("that the relay refuses for a device of the account are told as a failure", async () => {
    const { account, queue, failures, sent } = await sends([laptop, phone], (device) => {
      if (device === laptop) throw new Refused(revoked);
    });
    await queue(laptop, phone);
    await account.deliver("alice");
    expect(sent).toEqual(["P2"]);
    expect(failures.map(({ code, requestId }) => [code, requestId])).toEqual([["unknown_account", "r1"]]);
  });

  it.each([
    ["refuses for now", new Refused(busy)],
    ["does not answer", new LostAnswer("the connection ended")],
  ])("wait where the relay %s, and go again under the same name", async (_, error) => {
    let isAway = true;
    const { account, queue, failures, sent, asked, waiting } = await sends([laptop, phone], () => {
      if (isAway) throw error;
    });
    await queue(laptop, phone);
    await expect(account.deliver("alice")).rejects.toBe(error);
    expect(await waiting()).toBe(2);
    isAway = false;
    await account.deliver("alice");
    expect(sent).toEqual(["L1", "P2"]);
    expect(asked[1]).toBe(asked[0]);
    expect(failures).toEqual([]);
  });
});
