/** What a relay that follows no rules tried against whole clients, each test named after the attempt. */
import { cipherSuites, getCipherSuite } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";
import { sign } from "../../client/src/session/identity/accountRecord.ts";
import { createIdentity, enrol } from "../../client/src/session/identity/identity.ts";
import { provider } from "./support/devices.ts";
import type { FrameOnItsWay } from "./support/inProcessRelay.ts";
import { history, stage } from "./support/stage.ts";

interface FalseEntry {
  kind: string;
  id: string;
  roster?: object;
}

/** Lies about the commits in frames to clients. */
function lying(lie: (commit: FalseEntry) => void): (frame: FrameOnItsWay) => boolean {
  return ({ direction, frame, deliver }) => {
    if (direction === "up") return true;
    const copy = structuredClone(frame) as { ok?: { entries?: FalseEntry[] }; entries?: FalseEntry[] };
    const commits = [...(copy.ok?.entries ?? []), ...(copy.entries ?? [])].filter(({ kind }) => kind === "commit");
    if (commits.length === 0) return true;
    commits.forEach(lie);
    deliver(JSON.stringify(copy));
    return false;
  };
}

describe("a relay", () => {
  it("renamed a commit: both go on in the same epoch", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const atAlice = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.settle();
    relay.filter = lying((commit) => (commit.id = "AAAAAAAAAAAAAAAAAAAAAA"));
    await clock.until(atAlice.rotateKeys());
    await clock.until((await clock.until(atAlice.send({ text: "in step" }))).sent);
    await clock.settle();
    const [atBob] = bob.conversations();
    expect((await history(atBob!)).map(({ kind }) => kind)).toEqual(["opened", "keysChanged", "message"]);
    await alice.close();
    await bob.close();
  });

  it("voids each rotation by telling another roster: the client does not rotate without pause", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const atAlice = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.settle();
    const lie = lying((commit) => (commit.roster = { add: ["mallory"], remove: [] }));
    let commits = 0;
    relay.filter = (frame) => {
      if (frame.frame.op === "commit") commits++;
      return commits <= 100 && lie(frame);
    };
    const rotation = atAlice.rotateKeys();
    await clock.advance(60_000);
    expect(commits).toBeGreaterThan(2);
    expect(commits).toBeLessThan(40);
    relay.filter = () => true;
    await clock.until(rotation);
    await clock.until((await clock.until(atAlice.send({ text: "at last" }))).sent);
    await clock.settle();
    const [atBob] = bob.conversations();
    const kinds = (await history(atBob!)).map(({ kind }) => kind);
    expect(kinds.slice(-2)).toEqual(["keysChanged", "message"]);
    await alice.close();
    await bob.close();
  });

  it("showed another record of the version that it showed before", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    await (await arrive("bob")).close();
    const crypto = {
      provider,
      suite: getCipherSuite(cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, provider),
    };
    const identity = await createIdentity(crypto);
    const { enrolment, accountKey: bobsKey } = await enrol(provider, identity, "bob", clock.now());
    const account = relay.tables.accounts.get("bob")!;
    const codeNow = (): Promise<string> =>
      clock.until(
        alice.conversation({ with: ["bob"] }).then(
          () => "opened",
          (error: { readonly code: string }) => error.code,
        ),
      );
    relay.tables.accounts.set("bob", { ...account, receipt: undefined, signed: enrolment.record });
    relay.tables.keyPackages.clear();
    relay.tables.lastResorts.clear();
    expect(await codeNow()).toBe("no_key_packages");

    const accountKey = encodeBase64Url(bobsKey.publicKey);
    const devices = [enrolment.certificate];
    const other = { account: "bob", version: 1, previous: null, accountKey, devices, revoked: ["A".repeat(43)] };
    const signed = await sign(provider, "tacit account record 1", bobsKey, other);
    relay.tables.accounts.set("bob", { ...account, receipt: undefined, signed });
    expect(await codeNow()).toBe("identity_invalid");
    relay.tables.accounts.set("bob", { ...account, receipt: undefined, signed: enrolment.record });
    expect(await codeNow()).toBe("no_key_packages");
    await alice.close();
  });

  it("hides a new version of somebody's record: his own messages tell of it, and what hides it is reported", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const failures: string[] = [];
    alice.on("failure", ({ code }) => failures.push(code));
    await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.settle();
    const { signed: record, receipt } = relay.tables.accounts.get("bob")!;
    const asked = new Set<unknown>();
    relay.filter = ({ direction, account, frame, deliver }) => {
      if (account !== "alice") return true;
      if (direction === "up" && frame.op === "getAccount" && frame["account"] === "bob") asked.add(frame["id"]);
      if (direction === "up" || !asked.has(frame["id"])) return true;
      deliver(JSON.stringify({ id: frame["id"], ok: { record, receipt } }));
      return false;
    };
    await clock.until(bob.renameDevice(bob.device, "the new phone"));
    const [atBob] = bob.conversations();
    await clock.until((await clock.until(atBob!.send({ text: "I have a new name" }))).sent);
    await clock.settle();
    expect(asked.size).toBe(1);
    expect(failures).toEqual(["identity_invalid"]);

    // As soon as the relay gives in, all is well again.
    relay.filter = () => true;
    alice.goOffline();
    alice.goOnline();
    await clock.until(alice.caughtUp());
    await clock.settle();
    await clock.until((await clock.until(atBob!.send({ text: "do you see it?" }))).sent);
    await clock.settle();
    expect(failures).toHaveLength(1);
    await alice.close();
    await bob.close();
  });
});
