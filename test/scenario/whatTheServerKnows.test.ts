/**
 * After people talked, every item of every table, every object of the bucket and every frame that passed is searched for what the
 * server must not know: plaintext, who sent a message, private keys, and any secret that a client ever derived (docs/threat-model.md).
 */
import { connect, type Conversation } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import type { CryptoProvider } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { decodeBase64Url, isBase64Url } from "@tacit/protocol";
import { startLocalTacit, type LocalTacit } from "../../bench/localTacit.ts";

/** Shorter secrets would be found by chance. */
const shortest = 16;

/** A provider that notes every secret that passes it. */
function recording(provider: CryptoProvider, secrets: Map<string, string>): CryptoProvider {
  const note = <T extends Uint8Array>(what: string, bytes: T): T => {
    if (bytes.length >= shortest && bytes.some((byte) => byte !== 0))
      secrets.set(Buffer.from(bytes).toString("hex"), what);
    return bytes;
  };
  const each = <K extends string, V>(table: Readonly<Record<K, V>>, change: (value: V, name: K) => V): Record<K, V> =>
    Object.fromEntries(Object.entries(table).map(([name, value]) => [name, change(value as V, name as K)])) as Record<
      K,
      V
    >;
  const keyPair = async <T extends { readonly privateKey: Uint8Array }>(
    what: string,
    made: T | Promise<T>,
  ): Promise<T> => {
    const pair = await made;
    note(what, pair.privateKey);
    return pair;
  };
  return {
    ...provider,
    // Shorter ones are ids and nonces, which travel.
    random: (length) =>
      length > 24 ? note(`${length} random bytes`, provider.random(length)) : provider.random(length),
    hashes: each(provider.hashes, (hash) => ({
      ...hash,
      hmac: (key, data) => note("derived secret", hash.hmac(key, data)),
    })),
    aeads: each(provider.aeads, (aead) => ({
      ...aead,
      seal: (key, nonce, aad, plaintext) =>
        aead.seal(note("content key", key), nonce, aad, note("sealed content", plaintext)),
    })),
    curves: each(provider.curves, (curve, name) => ({
      ...curve,
      generate: () => keyPair(`${name} private key`, curve.generate()),
    })),
    signatures: each(provider.signatures, (scheme, name) => ({
      ...scheme,
      generate: () => keyPair(`${name} private key`, scheme.generate()),
      sign: (privateKey, message) => scheme.sign(note(`${name} private key`, privateKey), message),
    })),
  };
}

/** Everything that the value holds, decoded as far as it can be. */
function bytesWithin(value: unknown, found: Uint8Array[]): void {
  if (typeof value === "string") {
    found.push(Buffer.from(value));
    if (value.length >= shortest && isBase64Url(value)) {
      const decoded = Buffer.from(decodeBase64Url(value));
      found.push(decoded);
      if (decoded[0] === 0x7b) bytesWithin(parsed(decoded.toString()), found);
    } else if (value.length >= shortest && /^[A-Za-z0-9+/]+=*$/.test(value)) {
      found.push(Buffer.from(value, "base64"));
    } else if (value.startsWith("{")) bytesWithin(parsed(value), found);
  } else if (value instanceof Uint8Array) found.push(value);
  else if (typeof value === "object" && value !== null)
    for (const inner of Object.values(value)) bytesWithin(inner, found);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function everythingStored(cloud: LocalTacit, frames: readonly string[]): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for (const { items } of await cloud.tables()) bytesWithin(items, found);
  for (const { key, body } of cloud.bucketObjects()) bytesWithin([key, body], found);
  for (const frame of frames) bytesWithin(parsed(frame), found);
  return Buffer.concat(found.flatMap((bytes) => [bytes, Buffer.from("\0|\0")]));
}

const said = [
  "the acquisition closes on Thursday",
  "patient 4711: results attached",
  "privileged and confidential ".repeat(1_500),
];

test("no plaintext, no sender of a message, no private key, no derived secret", async () => {
  const cloud = await startLocalTacit();
  const frames: string[] = [];
  cloud.onFrame(({ data }) => frames.push(data));
  try {
    const secrets = new Map<string, string>();
    const join = (account: string) =>
      connect({
        url: cloud.url,
        token: () => cloud.token(account),
        store: memoryStore(),
        provider: recording(nodeProvider(), secrets),
      });
    const alice = await join("alice-the-sender");
    const bob = await join("bob-the-sender");
    const atAlice = await alice.conversation({ with: [bob.account] });
    for (const text of said) await (await atAlice.send({ text })).sent;
    const atBob = await bob.conversation({ with: [alice.account] });
    await (
      await atBob.send({ text: said[0]! })
    ).sent;
    await atBob.rotateKeys();
    await atAlice.sendTyping(true);
    await (
      await atAlice.send({ text: said[1]! })
    ).sent;
    await heard(atBob, 5);
    await Promise.all([alice.close(), bob.close()]);
    await cloud.settled();

    const known = await everythingStored(cloud, frames);
    expect(cloud.bucketObjects().length).toBeGreaterThan(0);
    // The search finds what is there, wherever it is there.
    for (const present of ["alice-the-sender", alice.device]) expect(known.includes(present)).toBe(true);
    const log = (await cloud.tables()).find(({ logicalId }) => logicalId.startsWith("Log"))!.items;
    expect(log.length).toBeGreaterThan(5);

    for (const text of said) expect(known.includes(text.slice(0, 24))).toBe(false);
    expect(secrets.size).toBeGreaterThan(200);
    for (const kind of ["Ed25519 private key", "derived secret", "content key", "sealed content"]) {
      expect([...secrets.values()]).toContain(kind);
    }
    const leaked = [...secrets].filter(([hex]) => known.includes(Buffer.from(hex, "hex"))).map(([, what]) => what);
    expect(leaked).toEqual([]);

    // An entry that names nobody, neither by account nor by device; commits name who posted them.
    const naming = log.filter(
      (item) => /the-sender/.test(JSON.stringify(item)) || JSON.stringify(item).includes(alice.device),
    );
    const commits = log.filter((item) => item["k"]?.["S"] === "c");
    expect(naming).toEqual(commits);
    expect(commits.length).toBe(2);
    const parts: Uint8Array[] = [];
    bytesWithin(
      log.filter((item) => !commits.includes(item)),
      parts,
    );
    const messages = Buffer.concat(parts);
    for (const name of ["alice-the-sender", "bob-the-sender", alice.device, bob.device]) {
      expect(messages.includes(name)).toBe(false);
      if (isBase64Url(name) && name.length === 43)
        expect(messages.includes(Buffer.from(name, "base64url"))).toBe(false);
    }
  } finally {
    await cloud.close();
  }
}, 60_000);

async function heard(conversation: Conversation, count: number): Promise<void> {
  let left = count;
  for await (const _ of conversation.messages({ signal: AbortSignal.timeout(20_000) })) if (--left === 0) return;
  throw new Error(`${left} messages did not come`);
}
