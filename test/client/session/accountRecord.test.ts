/** The versions of an account's record: what follows what, keys that follow keys, and names that only the account's devices read. */
import { decodeBase64Url, encodeBase64Url, type AccountRecord, type Signed } from "@tacit/protocol";
import fc from "fast-check";
import { succession, verifyRecord, sign, hadKey } from "../../../client/src/session/identity/accountRecord.ts";
import { authentication } from "../../../client/src/session/group/authenticate.ts";
import { certificateOf, credentialOf } from "../../../client/src/session/identity/certificate.ts";
import { isDeviceName, openNames, sealNames } from "../../../client/src/session/identity/deviceNames.ts";
import { createIdentity, deviceKeysOf, enrol, type Holder } from "../../../client/src/session/identity/identity.ts";
import {
  recordUnderNewKey,
  recordWithDevice,
  recordWithNames,
  recordWithoutDevices,
  type Signer,
} from "../../../client/src/session/identity/nextRecord.ts";
import { now, provider, suite } from "../support/primitives.ts";

const context = { provider, suite };
const enrolled = async (account: string) => enrol(provider, await createIdentity(context), account, now);
const keys = async () => deviceKeysOf(await createIdentity(context));
const newKey = () => provider.signatures.Ed25519.generate();

function signerOf({ accountKey, accountSecret, device }: Holder, named: Record<string, string> = {}): Signer {
  const names = { holder: device, names: new Map(Object.entries(named)) };
  return { provider, accountKey, secret: accountSecret, names };
}
const verified = async (signed: Signed | undefined) => (await verifyRecord(provider, signed!, "alice"))!;
const contentOf = ({ payload }: Signed) =>
  JSON.parse(Buffer.from(decodeBase64Url(payload)).toString()) as AccountRecord;
const devicesOf = async (signed: Signed | undefined) => (await verified(signed)).devices.map(({ device }) => device);

describe("the next version", () => {
  it("adds and revokes devices, and follows the one before", async () => {
    const alice = await enrolled("alice");
    const [phone, tablet] = [await keys(), await keys()];
    const first = alice.enrolment.record;
    const second = await recordWithDevice(signerOf(alice), first, phone, now + 1);
    const third = await recordWithDevice(signerOf(alice), second!, tablet, now + 2);
    const fourth = await recordWithoutDevices(signerOf(alice), third!, [phone.device]);
    expect(await devicesOf(third)).toEqual([alice.device, phone.device, tablet.device]);
    expect(await devicesOf(fourth)).toEqual([alice.device, tablet.device]);
    expect(await verified(fourth)).toMatchObject({ version: 4, revoked: [phone.device], rotations: [] });
    expect((await verified(third)).devices[2]).toMatchObject({ ...tablet, issuedAt: now + 2 });
    const versions = [await verified(first), await verified(second), await verified(third), await verified(fourth)];
    for (const [index, known] of versions.entries()) {
      for (const [other, shown] of versions.entries()) {
        expect(succession(known, shown)).toBe(other === index ? "same" : other > index ? "later" : "behind");
      }
    }
  });

  it("does not follow what it contradicts", async () => {
    const alice = await enrolled("alice");
    const mallory = await enrolled("alice");
    const [phone, tablet] = [await keys(), await keys()];
    const signer = signerOf(alice);
    const first = alice.enrolment.record;
    const second = (await recordWithDevice(signer, first, phone, now))!;
    const known = await verified(await recordWithoutDevices(signer, second, [phone.device]));
    const verdict = async (more: Partial<AccountRecord>, base = known) =>
      succession(
        base,
        await verified(
          await sign(provider, "tacit account record 1", alice.accountKey, { ...contentOf(first), ...more }),
        ),
      );
    // Another third version; a fourth that follows another third; later ones that take a revocation back, or lose a device.
    expect(await verdict({ version: 3 })).toBe("contradiction");
    expect(await verdict({ version: 4, previous: encodeBase64Url(new Uint8Array(32)), revoked: [phone.device] })).toBe(
      "contradiction",
    );
    expect(await verdict({ version: 9, previous: encodeBase64Url(new Uint8Array(32)) })).toBe("contradiction");
    expect(await verdict({ version: 9, revoked: [phone.device] })).toBe("later");
    expect(await verdict({ version: 9 }, await verified(second))).toBe("contradiction");
    expect(await verdict({ version: 9, revoked: [alice.device] }, await verified(first))).toBe("later");
    // Another key without proof.
    const foreign = await recordWithDevice(signerOf(mallory), mallory.enrolment.record, tablet, now);
    expect(succession(await verified(first), await verified(foreign))).toBe("contradiction");
  });

  it("lists no device twice", async () => {
    const alice = await enrolled("alice");
    const { record, certificate } = alice.enrolment;
    const twice = { ...contentOf(record), devices: [certificate, certificate] };
    expect(await verified(await sign(provider, "tacit account record 1", alice.accountKey, twice))).toBeUndefined();
  });

  it("is not made where it has no room", async () => {
    const alice = await enrolled("alice");
    const phone = await keys();
    const full = Array.from({ length: 1_000 }, (_, index) =>
      encodeBase64Url(new Uint8Array(32).map((_byte, at) => (at < 2 ? index >> (8 * at) : 1))),
    );
    const { record } = alice.enrolment;
    const crowded = await sign(provider, "tacit account record 1", alice.accountKey, {
      ...contentOf(record),
      revoked: full.slice(0, 400),
    });
    expect(await recordWithDevice(signerOf(alice), crowded, phone, now)).toBeDefined();
    expect(await recordWithoutDevices(signerOf(alice), crowded, full)).toBeUndefined();
    const devices = Array.from({ length: 50 }, () => alice.enrolment.certificate);
    const most = await sign(provider, "x", alice.accountKey, { ...contentOf(record), devices });
    expect(await recordWithDevice(signerOf(alice), most, phone, now)).toBeUndefined();
  });
});

describe("a new account key", () => {
  const rotate = async (holder: Holder, current: Signed, to = newKey()) => {
    const accountKey = await to;
    const device = await createIdentity(context);
    const after = { ...holder, ...device, accountKey, accountSecret: provider.random(32) };
    const record = await recordUnderNewKey(signerOf(after), current, holder.accountKey, deviceKeysOf(device), now + 5);
    return { holder: after as Holder, record: record! };
  };

  it("is proven by the one before, and leaves no other device", async () => {
    const alice = await enrolled("alice");
    const phone = await keys();
    const second = (await recordWithDevice(signerOf(alice), alice.enrolment.record, phone, now))!;
    const recovered = await rotate(alice, second);
    const shown = await verified(recovered.record);
    expect(shown).toMatchObject({
      version: 3,
      accountKey: encodeBase64Url(recovered.holder.accountKey.publicKey),
      revoked: [alice.device, phone.device],
      rotations: [{ from: encodeBase64Url(alice.accountKey.publicKey) }],
    });
    expect(shown.devices.map(({ device }) => device)).toEqual([recovered.holder.device]);
    expect(hadKey(shown, encodeBase64Url(alice.accountKey.publicKey))).toBe(true);
    expect(hadKey(shown, encodeBase64Url((await newKey()).publicKey))).toBe(false);
    expect(succession(await verified(second), shown)).toBe("later");
    // The chain goes on in the versions after it, and in the credential of each leaf.
    const fourth = await recordWithDevice(signerOf(recovered.holder), recovered.record, phone, now);
    expect((await verified(fourth)).rotations).toEqual(shown.rotations);
    const certificate = contentOf(recovered.record).devices[0]!;
    const key = decodeBase64Url(certificateOf(certificate)!.signatureKeys[String(suite.id)]!);
    const accepts = (signed: Signed) =>
      authentication(context).authenticate(credentialOf(signed), key, { role: "keyPackage" });
    expect(await accepts(certificate)).toBe(true);
    const forged = certificateOf(certificate)!;
    const [rotation] = forged.rotations!;
    const signature = encodeBase64Url(provider.random(64));
    const unproven = { ...forged, rotations: [{ ...rotation!, signature }] };
    expect(
      await accepts(await sign(provider, "tacit device certificate 1", recovered.holder.accountKey, unproven)),
    ).toBe(false);
  });

  it("keeps the last four proofs, and none that does not lead there", async () => {
    const alice = await enrolled("alice");
    const all: Holder[] = [alice];
    let record = alice.enrolment.record;
    for (let turn = 0; turn < 5; turn++) {
      const next = await rotate(all.at(-1)!, record);
      all.push(next.holder);
      record = next.record;
    }
    const shown = await verified(record);
    const keysOf = (some: readonly Holder[]) => some.map(({ accountKey }) => encodeBase64Url(accountKey.publicKey));
    expect(shown.rotations.map(({ from }) => from)).toEqual(keysOf(all.slice(1, 5)));
    expect(shown).toMatchObject({ version: 6, accountKey: keysOf(all).at(-1) });
    const { accountKey } = all.at(-1)!;
    const content = contentOf(record);
    const rotations = content.rotations!;
    const variants: readonly (readonly (typeof rotations)[number][])[] = [
      rotations.slice(0, -1),
      rotations.toReversed(),
      [rotations[1]!, ...rotations.slice(1)],
      rotations.map(({ from }, index) => ({ from, signature: rotations[(index + 1) % 4]!.signature })),
    ];
    for (const wrong of variants) {
      const certificate = certificateOf(content.devices[0]!)!;
      const renewed = { ...certificate, rotations: wrong };
      const devices = [await sign(provider, "tacit device certificate 1", accountKey, renewed)];
      const whole = { ...content, rotations: wrong, devices };
      expect(await verified(await sign(provider, "tacit account record 1", accountKey, whole))).toBeUndefined();
    }
    // Certificates and record carry the same one.
    const { rotations: _, ...bare } = content;
    expect(await verified(await sign(provider, "tacit account record 1", accountKey, bare))).toBeUndefined();
  });

  it("is no key that the account had before", async () => {
    const alice = await enrolled("alice");
    const first = await rotate(alice, alice.enrolment.record);
    const back = await rotate(first.holder, first.record, Promise.resolve(alice.accountKey));
    expect(await verified(back.record)).toBeUndefined();
    await expect(rotate(alice, first.record)).rejects.toThrow("another key");
  });
});

describe("names of devices", () => {
  const secret = provider.random(32);
  const place = { account: "alice", version: 7 };
  const random = (length: number): Uint8Array => provider.random(length);
  const id = (fill: number) => encodeBase64Url(new Uint8Array(32).fill(fill));

  it("are read with the secret, at their place alone", () => {
    const name = fc.string({ unit: "grapheme", maxLength: 20 }).filter(isDeviceName);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 50 }), (all) => {
        const content = { holder: id(0), names: new Map(all.map((each, index) => [id(index), each])) };
        const sealed = sealNames(random, secret, place, content);
        expect(openNames(secret, place, sealed)).toEqual(content);
        expect((decodeBase64Url(sealed).length - 40) % 256).toBe(0);
        expect(openNames(provider.random(32), place, sealed)).toBeUndefined();
        expect(openNames(secret, { ...place, version: 8 }, sealed)).toBeUndefined();
        expect(openNames(secret, { ...place, account: "alicf" }, sealed)).toBeUndefined();
      }),
    );
    expect(openNames(secret, place, "AAAA")).toBeUndefined();
  });

  it("are sealed anew in each version, and go with their devices", async () => {
    const alice = await enrolled("alice");
    const phone = await keys();
    const named = signerOf(alice, { [alice.device]: "desk", [phone.device]: "phone" });
    const second = (await recordWithDevice(named, alice.enrolment.record, phone, now))!;
    const read = async (signed: Signed) => {
      const { account, version, sealed } = await verified(signed);
      return openNames(alice.accountSecret, { account, version }, sealed!)?.names;
    };
    expect(await read(second)).toEqual(named.names.names);
    const renamed = (await recordWithNames(signerOf(alice, { [phone.device]: "old phone" }), second))!;
    expect(await read(renamed)).toEqual(new Map([[phone.device, "old phone"]]));
    const without = (await recordWithoutDevices(named, renamed, [phone.device]))!;
    expect(await read(without)).toEqual(new Map([[alice.device, "desk"]]));
    expect(JSON.stringify(contentOf(second))).not.toContain("phone");
  });

  it("are short and visible", () => {
    expect(["Phone", "日本語", "👩‍💻", "a b"].map(isDeviceName)).toEqual([true, true, true, true]);
    const wrong = ["", " a", "a\n", "a\u0000b", "\ud800", "x".repeat(49), "ü".repeat(25), 1, undefined];
    expect(wrong.map(isDeviceName)).toEqual(wrong.map(() => false));
  });
});
