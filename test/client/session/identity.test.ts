/** Who somebody is: certificates, account records, the credential of a leaf, and what is remembered of peers. */
import { decodeBase64Url, encodeBase64Url, type DeviceCertificate, type Signed } from "@tacit/protocol";
import fc from "fast-check";
import { sign, verifyRecord } from "../../../client/src/session/identity/accountRecord.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { certificateIn, credentialOf } from "../../../client/src/session/identity/certificate.ts";
import { decodeContent, encodeContent, paddingFor } from "../../../client/src/session/content.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  enrol,
  isHolder,
  migrated,
} from "../../../client/src/session/identity/identity.ts";
import { now, provider, suite } from "../support/devices.ts";

const context = { provider, suite };
const service = authentication(context);
const role = { role: "keyPackage" } as const;
const enrolled = async (account: string) => enrol(provider, await createIdentity(context), account, now);

/** The certificate with `more` in it, signed anew by `signer`'s account key. */
async function altered(
  signed: Signed,
  more: Partial<DeviceCertificate>,
  signer: Awaited<ReturnType<typeof enrolled>>,
): Promise<Signed> {
  const certificate = JSON.parse(Buffer.from(decodeBase64Url(signed.payload)).toString()) as DeviceCertificate;
  return sign(provider, "tacit device certificate 1", signer.accountKey, { ...certificate, ...more });
}

describe("a leaf's credential", () => {
  it("vouches for the key that its certificate names for the suite, and no other", async () => {
    const alice = await enrolled("alice");
    const mallory = await enrolled("mallory");
    const { certificate } = alice.enrolment;
    const own = alice.signatureKeys.get(suite.id)!.publicKey;
    const accepts = (signed: Signed, key = own) => service.authenticate(credentialOf(signed), key, role);
    expect(await accepts(certificate)).toBe(true);
    expect(await accepts(certificate, mallory.signatureKeys.get(suite.id)!.publicKey)).toBe(false);
    expect(await accepts({ ...certificate, signature: mallory.enrolment.certificate.signature })).toBe(false);
    expect(await accepts(await altered(certificate, {}, mallory))).toBe(false);
    // Another suite's key, another device's id.
    expect(await accepts(await altered(certificate, { signatureKeys: { "2": encodeBase64Url(own) } }, alice))).toBe(
      false,
    );
    expect(await accepts(await altered(certificate, { device: mallory.device }, alice))).toBe(false);
    expect(await accepts(await altered(certificate, { issuedAt: 1 }, alice))).toBe(true);
  });

  it("that carries no certificate is nobody's", async () => {
    const key = provider.random(32);
    for (const identity of ["", "alice", "{}", '{"payload":"e30","signature":"AA"}', "[]", "null"]) {
      const credential = { type: "basic", identity: new TextEncoder().encode(identity) } as const;
      expect(certificateIn(credential)).toBeUndefined();
      expect(await service.authenticate(credential, key, role)).toBe(false);
      expect(service.identity(credential, key)).toMatch(/^key /);
    }
    const x509 = { type: "x509", certificates: [] } as const;
    expect(await service.authenticate(x509, key, role)).toBe(false);
  });
});

describe("an account record", () => {
  it("holds when its account key signed it and each certificate in it", async () => {
    const alice = await enrolled("alice");
    const mallory = await enrolled("mallory");
    const { record } = alice.enrolment;
    expect(await verifyRecord(provider, record, "alice")).toMatchObject({
      account: "alice",
      version: 1,
      accountKey: encodeBase64Url(alice.accountKey.publicKey),
      devices: [{ device: alice.device }],
    });
    expect(await verifyRecord(provider, record, "bob")).toBeUndefined();
    expect(
      await verifyRecord(provider, { ...record, signature: mallory.enrolment.record.signature }, "alice"),
    ).toBeUndefined();
    const payload = JSON.parse(Buffer.from(decodeBase64Url(record.payload)).toString());
    const signed = (more: object) =>
      sign(provider, "tacit account record 1", alice.accountKey, { ...payload, ...more });
    expect(
      await verifyRecord(provider, await signed({ devices: [mallory.enrolment.certificate] }), "alice"),
    ).toBeUndefined();
    expect(await verifyRecord(provider, await signed({ version: 0 }), "alice")).toBeUndefined();
    expect(await verifyRecord(provider, await signed({ revoked: [alice.device] }), "alice")).toMatchObject({
      devices: [],
    });
    // One label's signature does not serve as another's.
    const confused = await sign(provider, "tacit device certificate 1", alice.accountKey, payload);
    expect(await verifyRecord(provider, confused, "alice")).toBeUndefined();
  });
});

describe("an identity", () => {
  it("comes back from its bytes", async () => {
    const fresh = await createIdentity(context);
    expect(decodeIdentity(encodeIdentity(fresh))).toEqual(fresh);
    expect(isHolder(fresh)).toBe(false);
    const alice = await enrol(provider, fresh, "alice", now);
    expect(decodeIdentity(encodeIdentity(alice))).toEqual(alice);
    expect(isHolder(alice)).toBe(true);
    const hpkeKey = await suite.generateSignatureKeyPair();
    const linked = { ...alice, accountKey: undefined, hpkeKey };
    expect(decodeIdentity(encodeIdentity(linked))).toEqual(linked);
    expect(isHolder(linked)).toBe(false);
    expect(decodeIdentity(new TextEncoder().encode('{"version":3}'))).toBeUndefined();
  });

  it("of the first version holds its account's key, and gets what it can share", async () => {
    const alice = await enrolled("alice");
    const older = (more: object): Uint8Array => {
      const {
        accountSecret: _,
        secretSince: __,
        hpkeKey: ___,
        ...rest
      } = JSON.parse(Buffer.from(encodeIdentity(alice)).toString()) as Record<string, unknown>;
      return new TextEncoder().encode(JSON.stringify({ ...rest, version: 1, ...more }));
    };
    const decoded = decodeIdentity(older({}))!;
    expect(decoded).toEqual({ ...alice, accountSecret: undefined, secretSince: 0 });
    const holder = migrated(provider, decoded);
    expect(holder).toMatchObject({ accountKey: alice.accountKey, secretSince: 1, device: alice.device });
    expect(holder.accountSecret).toHaveLength(32);
    // Once: from then on it is what it is.
    const stored = decodeIdentity(encodeIdentity(holder))!;
    expect(migrated(provider, stored)).toBe(stored);
    expect(stored).toEqual(holder);
    // A key from before anybody knew whether the account exists is nobody's.
    expect(decodeIdentity(older({ enrolment: undefined }))!.accountKey).toBeUndefined();
  });
});

describe("content", () => {
  const id = encodeBase64Url(new Uint8Array(16));
  it("comes back from its bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(), fc.nat(), fc.boolean(), (text, sentAt, before, hasLog) => {
        const record = { version: before + 1, hash: encodeBase64Url(new Uint8Array(32)) };
        const log = hasLog ? { seq: sentAt, hash: encodeBase64Url(new Uint8Array(32)) } : undefined;
        const content = { id, text, sentAt, record, log };
        expect(decodeContent(encodeContent(content))).toEqual(content);
      }),
    );
  });

  it("of another form is not read", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeContent(bytes)).toBeUndefined();
      }),
    );
    const record = { version: 1, hash: encodeBase64Url(new Uint8Array(32)) };
    const good = { v: 1, id, text: "", sentAt: 0, record };
    const decode = (more: object) => decodeContent(new TextEncoder().encode(JSON.stringify({ ...good, ...more })));
    expect(decode({ future: true })).toMatchObject({ id });
    for (const bad of [
      { v: 2 },
      { id: "x" },
      { text: 1 },
      { sentAt: -1 },
      { sentAt: 0.5 },
      { record: 1 },
      { record: { ...record, version: 0 } },
      { record: { ...record, hash: "x" } },
      { log: 1 },
      { log: { seq: 1, hash: "x" } },
    ]) {
      expect(decode(bad)).toBeUndefined();
    }
  });

  it("is padded to few lengths", () => {
    const lengths = new Set(Array.from({ length: 5_000 }, (_, length) => length + paddingFor(length)));
    expect([...lengths].every((length) => length % 64 === 0)).toBe(true);
    expect(lengths.size).toBeLessThan(24);
    expect(paddingFor(64)).toBe(0);
    expect(paddingFor(1_025)).toBe(1_023);
  });
});
