/** Ghost device: the relay wants to read along, so it brings a device of its own into Bob's account. */
import { deviceCertificateLabel, encodeBase64Url } from "@tacit/protocol";
import { sign } from "../../../client/src/session/identity/accountRecord.ts";
import { createKeyPackage, lastSecondOf } from "../../../client/src/session/group/member.ts";
import { createIdentity, deviceKeysOf, enrol } from "../../../client/src/session/identity/identity.ts";
import { codeOf } from "../../client/support/household.ts";
import { provider, suite } from "../../client/support/primitives.ts";
import { stage, type Stage } from "../../client/support/stage.ts";
import { said, textsOf } from "./attacker.ts";

const crypto = { provider, suite };

/** Alice and Bob have talked, so Alice knows Bob's account key. */
async function acquainted(s: Stage) {
  const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
  const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
  await said(s, chat, "hello");
  return { alice, bob, chat, atBob: bob.conversations()[0]! };
}

/** A device that the relay made, with an account key of the relay's making under Bob's name. */
async function ghostOf({ clock }: Stage) {
  const identity = await enrol(provider, await createIdentity(crypto), "bob", clock.now());
  const signatureKey = identity.signatureKeys.get(suite.id)!;
  const member = { certificate: identity.enrolment.certificate, signatureKey };
  const { bytes } = await createKeyPackage(crypto, member, { now: clock.now(), lastResort: false });
  const hash = encodeBase64Url(provider.hashes["SHA-256"].digest(bytes));
  return { identity, keyPackage: { hash, data: encodeBase64Url(bytes), notAfter: lastSecondOf(clock.now()) } };
}

describe("ghost device", () => {
  it("in a record under another account key: Alice is told, and sends nothing before she accepts it", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await acquainted(s);
    const { identity } = await ghostOf(s);
    const changed: string[] = [];
    alice.on("identityChanged", ({ account }) => changed.push(account));
    const account = s.relay.tables.accounts.get("bob")!;
    const { record } = identity.enrolment;
    s.relay.tables.accounts.set("bob", {
      ...account,
      signed: record,
      accountKey: encodeBase64Url(identity.accountKey.publicKey),
      devices: [identity.device],
      receipt: undefined,
    });

    expect(await s.clock.until(codeOf(alice.createGroup({ title: "Plans", members: ["bob"] })))).toBe(
      "identity_changed",
    );
    expect(changed).toEqual(["bob"]);
    expect(await s.clock.until(codeOf(chat.send({ text: "not for ghosts" })))).toBe("identity_changed");
    expect(await textsOf(atBob)).toEqual(["hello"]);
    for (const client of [alice, bob]) await client.close();
  });

  it("in Bob's own record, with a certificate that Bob's key did not sign: the record does not hold", async () => {
    const s = stage();
    const { alice, bob } = await acquainted(s);
    const { identity } = await ghostOf(s);
    const account = s.relay.tables.accounts.get("bob")!;
    const payload = JSON.parse(Buffer.from(account.signed.payload, "base64url").toString()) as {
      accountKey: string;
      version: number;
      devices: object[];
    };
    const certificate = await sign(provider, deviceCertificateLabel, identity.accountKey, {
      account: "bob",
      accountKey: payload.accountKey,
      ...deviceKeysOf(identity),
      issuedAt: s.clock.now(),
    });
    const grown = { ...payload, version: 2, devices: [...payload.devices, certificate] };
    const forged = { ...account.signed, payload: Buffer.from(JSON.stringify(grown)).toString("base64url") };
    const devices = [bob.device, identity.device];
    s.relay.tables.accounts.set("bob", { ...account, signed: forged, version: 2, devices, receipt: undefined });
    expect(await s.clock.until(codeOf(alice.createGroup({ members: ["bob"] })))).toBe("identity_invalid");
    // Nor does one that changes nothing but its number, so that no later one of Bob's would count.
    const raised = Buffer.from(JSON.stringify({ ...payload, version: 9 })).toString("base64url");
    const signed = { ...account.signed, payload: raised };
    s.relay.tables.accounts.set("bob", { ...account, signed, version: 9, receipt: undefined });
    expect(await s.clock.until(codeOf(alice.createGroup({ members: ["bob"] })))).toBe("identity_invalid");
    for (const client of [alice, bob]) await client.close();
  });

  it("behind a key package that is given out as Bob's: it is not of a device that his record lists", async () => {
    const s = stage();
    const { alice, bob } = await acquainted(s);
    const { keyPackage } = await ghostOf(s);
    for (const packages of s.relay.tables.keyPackages.values()) {
      for (const [key, { hash }] of packages) if (hash.length > 0) packages.set(key, keyPackage);
    }
    for (const key of s.relay.tables.lastResorts.keys()) s.relay.tables.lastResorts.set(key, keyPackage);
    expect(await s.clock.until(codeOf(alice.createGroup({ members: ["bob"] })))).toBe("identity_invalid");
    for (const client of [alice, bob]) await client.close();
  });
});
