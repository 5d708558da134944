/** Offers, answers and renewed secrets by themselves: whom they convince, and whom they do not. */
import { encodeBase64Url } from "@tacit/protocol";
import { decodeAccountMessage, encodeAccountMessage } from "../../../client/src/session/identity/accountMessage.ts";
import { createIdentity, enrol } from "../../../client/src/session/identity/identity.ts";
import { openAnswer, pskOf, sealAnswer, type LinkAnswer } from "../../../client/src/session/linking/linkAnswer.ts";
import { linkCodeText, parseLinkCode } from "../../../client/src/session/linking/linkCode.ts";
import {
  createLinkSession,
  decodeLinkSessions,
  encodeLinkSessions,
  isOfferCurrent,
  isOfferFor,
  linkCodeOf,
  linkHpke,
  offerMessage,
  openOffer,
} from "../../../client/src/session/linking/linkOffer.ts";
import { openSecret, sealSecret } from "../../../client/src/session/identity/renewedSecret.ts";
import { bytesWithin } from "../../support/bytesWithin.ts";
import { now, provider, suite } from "../support/primitives.ts";

const context = { provider, suite };

async function newDevice(account = "alice", name?: string) {
  const identity = await createIdentity(context);
  const session = await createLinkSession(provider, identity, { account, name, issuedAt: now, createdAt: now });
  const code = linkCodeOf(provider, session);
  return { identity, session, code, message: offerMessage(session) };
}
type NewDevice = Awaited<ReturnType<typeof newDevice>>;

const recipientOf = ({ identity, session, code, message }: NewDevice) => ({
  account: "alice",
  device: identity.device,
  hpkeKey: session.hpkeKey.publicKey,
  offer: provider.hashes["SHA-256"].digest(message.offer),
  psk: pskOf(code.secret),
});
const answer: LinkAnswer = {
  accountKey: encodeBase64Url(new Uint8Array(32).fill(1)),
  version: 2,
  hash: encodeBase64Url(new Uint8Array(32).fill(2)),
  secret: new Uint8Array(32).fill(3),
  secretSince: 1,
  history: {
    key: new Uint8Array(32).fill(4),
    blobs: [{ hash: encodeBase64Url(new Uint8Array(32).fill(5)), size: 10 }],
  },
};

describe("an offer", () => {
  it("is found and opened by its code", async () => {
    const phone = await newDevice("alice", "phone");
    const typed = parseLinkCode(linkCodeText(phone.code))!;
    expect(isOfferFor(provider, typed, phone.message)).toBe(true);
    const offer = openOffer(provider, typed, phone.message)!;
    expect(offer).toMatchObject({
      account: "alice",
      name: "phone",
      issuedAt: now,
      keys: { device: phone.identity.device },
    });
    expect(offer.hpkeKey).toEqual(phone.session.hpkeKey.publicKey);
    // Who sees the offer and not the code learns no name, nor how long it is.
    const longest = await newDevice("alice", "x".repeat(48));
    expect(openOffer(provider, longest.code, longest.message)!.name).toBe("x".repeat(48));
    expect(longest.message.offer.length).toBe(phone.message.offer.length);
    expect(bytesWithin(Buffer.from(phone.message.offer).toString()).includes("phone")).toBe(false);
    expect([0, 599_999, 600_000, -120_000, -119_999].map((later) => isOfferCurrent(offer, now + later))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    expect(decodeLinkSessions(encodeLinkSessions([phone.session]))).toEqual([phone.session]);
  });

  it("of anybody else is not the code's, and one that was changed opens for nobody", async () => {
    const [phone, thief] = [await newDevice(), await newDevice()];
    expect(isOfferFor(provider, phone.code, thief.message)).toBe(false);
    // Somebody who knows the offer, but not the code.
    const { offer } = phone.message;
    const forged = { kind: "linkOffer" as const, offer, mac: thief.message.mac };
    expect(isOfferFor(provider, phone.code, forged)).toBe(true);
    expect(openOffer(provider, phone.code, forged)).toBeUndefined();
    expect(openOffer(provider, phone.code, { ...forged, mac: phone.message.mac.subarray(0, 31) })).toBeUndefined();
    expect(openOffer(provider, thief.code, phone.message)).toBeUndefined();
    for (let place = 0; place < offer.length; place += 97) {
      const changed = { ...phone.message, offer: offer.with(place, offer[place]! ^ 1) };
      expect(isOfferFor(provider, phone.code, changed)).toBe(false);
      expect(openOffer(provider, phone.code, changed)).toBeUndefined();
    }
  });

  it("of another form is none, whoever made it", async () => {
    const phone = await newDevice();
    const body = JSON.parse(Buffer.from(phone.session.offer).toString()) as object;
    const open = (more: object) => {
      const offer = new TextEncoder().encode(JSON.stringify({ ...body, ...more }));
      return openOffer(provider, phone.code, offerMessage({ ...phone.session, offer }));
    };
    expect(open({ future: 1 })).toBeDefined();
    for (const wrong of [
      { v: 2 },
      { account: "two words" },
      { deviceKey: "AA" },
      { signatureKeys: { x: "AA" } },
      { signatureKeys: "AA" },
      { hpkeKey: encodeBase64Url(new Uint8Array(1_216).fill(255)) },
      { hpkeKey: "AAAA" },
      { issuedAt: "now" },
      { name: "" },
      { name: 1 },
      { name: "phone" },
      { name: encodeBase64Url(new Uint8Array(88)) },
    ]) {
      expect(open(wrong)).toBeUndefined();
    }
  });
});

describe("an answer", () => {
  const open = (device: NewDevice, message: Awaited<ReturnType<typeof sealAnswer>>, as: object = {}) =>
    openAnswer(provider, { account: "alice", device: device.identity.device, ...as }, device.session, message);

  it("opens on the device that made the offer, and fits an inbox", async () => {
    const phone = await newDevice();
    const message = await sealAnswer(provider, recipientOf(phone), answer);
    expect(await open(phone, message)).toEqual(answer);
    const bytes = encodeAccountMessage(message);
    expect(bytes.length).toBeLessThan(8_192);
    expect(decodeAccountMessage(bytes)).toEqual(message);
    const none = await sealAnswer(provider, recipientOf(phone), { ...answer, history: undefined });
    expect(await open(phone, none)).toEqual({ ...answer, history: undefined });
  });

  it("to another device, another offer or another account opens nowhere", async () => {
    const [phone, tablet] = [await newDevice(), await newDevice()];
    const message = await sealAnswer(provider, recipientOf(phone), answer);
    expect(await open(tablet, message)).toBeUndefined();
    const offer = provider.hashes["SHA-256"].digest(tablet.message.offer);
    expect(await open(tablet, { ...message, offer })).toBeUndefined();
    expect(await open(phone, message, { account: "bob" })).toBeUndefined();
    expect(await open(phone, message, { device: tablet.identity.device })).toBeUndefined();
    // The same device with a fresh code: the answer to the code before is of no use.
    const made = { account: "alice", name: undefined, issuedAt: now, createdAt: now };
    const again = { ...phone, session: await createLinkSession(provider, phone.identity, made) };
    expect(await open(again, message)).toBeUndefined();
  });

  it("of somebody who saw the offer and not the code opens nowhere", async () => {
    const phone = await newDevice();
    const relay = { ...recipientOf(phone), psk: pskOf(provider.random(16)) };
    expect(await open(phone, await sealAnswer(provider, relay, answer))).toBeUndefined();
    const message = await sealAnswer(provider, recipientOf(phone), answer);
    const { kem, sealed } = message;
    expect(await open(phone, { ...message, sealed: sealed.with(0, sealed[0]! ^ 1) })).toBeUndefined();
    expect(await open(phone, { ...message, kem: kem.with(5, kem[5]! ^ 1) })).toBeUndefined();
    expect(await open(phone, { ...message, kem: kem.subarray(1) })).toBeUndefined();
  });

  it("of another form is none", async () => {
    const phone = await newDevice();
    const to = recipientOf(phone);
    const sealed = async (body: unknown) => {
      const info = ["tacit link answer 1", "alice", to.device, encodeBase64Url(to.offer)];
      const psk = { psk: to.psk, pskId: new TextEncoder().encode("tacit link psk 1") };
      const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
      const { kemOutput, context: ends } = await linkHpke(provider).setupSender(to.hpkeKey, encode(info), psk);
      return open(phone, {
        kind: "linkAnswer",
        offer: to.offer,
        kem: kemOutput,
        sealed: ends.seal(new Uint8Array(0), encode(body)),
      });
    };
    const { accountKey, version, hash } = answer;
    const good = { v: 1, accountKey, version, hash, secret: encodeBase64Url(answer.secret), secretSince: 1 };
    expect(await sealed({ ...good, future: 1 })).toEqual({ ...answer, history: undefined });
    const key = encodeBase64Url(new Uint8Array(32));
    for (const wrong of [
      { v: 2 },
      { accountKey: "AA" },
      { version: -1 },
      { hash: 1 },
      { secret: "AA" },
      { secretSince: "1" },
      { history: null },
      { history: { key: "AA", blobs: [] } },
      { history: { key, blobs: [{ hash: "x", size: 1 }] } },
      { history: { key, blobs: {} } },
    ]) {
      expect(await sealed({ ...good, ...wrong })).toBeUndefined();
    }
  });
});

describe("a renewed secret", () => {
  it("is read by the device that it is for, under the account's key alone", async () => {
    const alice = await enrol(provider, await createIdentity(context), "alice", now);
    const mallory = await enrol(provider, await createIdentity(context), "alice", now);
    const hpkeKey = await linkHpke(provider).kem.generateKeyPair();
    const other = await linkHpke(provider).kem.generateKeyPair();
    const to = { account: "alice", device: alice.device };
    const renewed = { secret: provider.random(32), version: 5 };
    const accountKey = encodeBase64Url(alice.accountKey.publicKey);
    const seal = (signer = alice) =>
      sealSecret(provider, signer.accountKey, { ...to, hpkeKey: hpkeKey.publicKey }, renewed);
    const sealed = await seal();
    expect(await openSecret(provider, { ...to, hpkeKey }, accountKey, sealed)).toEqual(renewed);
    expect(await openSecret(provider, { ...to, hpkeKey: other }, accountKey, sealed)).toBeUndefined();
    expect(await openSecret(provider, { ...to, hpkeKey, account: "bob" }, accountKey, sealed)).toBeUndefined();
    expect(await openSecret(provider, { ...to, hpkeKey, device: mallory.device }, accountKey, sealed)).toBeUndefined();
    expect(await openSecret(provider, { ...to, hpkeKey }, accountKey, await seal(mallory))).toBeUndefined();
    const { record } = alice.enrolment;
    expect(await openSecret(provider, { ...to, hpkeKey }, accountKey, record)).toBeUndefined();
    const message = { kind: "accountRecord", version: 5, secret: sealed } as const;
    expect(decodeAccountMessage(encodeAccountMessage(message))).toEqual(message);
    expect(encodeAccountMessage(message).length).toBeLessThan(8_192);
  });
});

describe("a message between devices", () => {
  it("of another form is passed over", () => {
    const decode = (value: unknown) => decodeAccountMessage(new TextEncoder().encode(JSON.stringify(value)));
    expect(decode({ v: 1, kind: "accountRecord", version: 3 })).toEqual({ kind: "accountRecord", version: 3 });
    for (const wrong of [
      { v: 2, kind: "accountRecord", version: 3 },
      { v: 1, kind: "accountRecord", version: "3" },
      { v: 1, kind: "accountRecord", version: 3, secret: {} },
      { v: 1, kind: "linkOffer", offer: "AA" },
      { v: 1, kind: "linkOffer", offer: "AA", mac: "*" },
      { v: 1, kind: "linkAnswer", offer: "AA", kem: "AA" },
      { v: 1, kind: "repair" },
      { v: 1 },
      [],
    ]) {
      expect(decode(wrong)).toBeUndefined();
    }
  });
});
