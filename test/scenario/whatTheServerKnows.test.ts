/**
 * After people talked, every item of every table, every object of the bucket and every frame that passed is searched for what the
 * server must not know: plaintext, who sent a message, private keys, and any secret that a client ever derived (docs/threat-model.md).
 */
import { connect, type Client, type ConnectOptions, type Conversation } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import type { CryptoProvider } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { isBase64Url } from "@tacit/protocol";
import { startLocalTacit, type LocalTacit } from "../../bench/localTacit.ts";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { readRecoveryCode } from "../../client/src/session/identity/recoveryCode.ts";
import { bytesWithin } from "../support/bytesWithin.ts";

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

async function everythingStored(cloud: LocalTacit, frames: readonly string[]): Promise<Buffer> {
  const tables = (await cloud.tables()).map(({ items }) => items);
  const objects = cloud.bucketObjects().map(({ key, body }) => [key, body]);
  return bytesWithin(tables, objects, frames);
}

/** A client whose secrets are noted. */
async function join(
  cloud: LocalTacit,
  account: string,
  secrets: Map<string, string>,
  more: Partial<ConnectOptions> = {},
): Promise<Client> {
  const provider = recording(nodeProvider(), secrets);
  return connect({ url: cloud.url, token: () => cloud.token(account), store: memoryStore(), provider, ...more });
}

/** What of `secrets` is in `known`. */
function leakedFrom(secrets: ReadonlyMap<string, string>, known: Buffer): readonly string[] {
  return [...secrets].filter(([hex]) => known.includes(Buffer.from(hex, "hex"))).map(([, what]) => what);
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
    const alice = await join(cloud, "alice-the-sender", secrets);
    const bob = await join(cloud, "bob-the-sender", secrets);
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
    expect(leakedFrom(secrets, known)).toEqual([]);

    // An entry that names nobody, neither by account nor by device; commits name who posted them.
    const naming = log.filter(
      (item) => /the-sender/.test(JSON.stringify(item)) || JSON.stringify(item).includes(alice.device),
    );
    const commits = log.filter((item) => item["k"]?.["S"] === "c");
    expect(naming).toEqual(commits);
    expect(commits.length).toBe(2);
    const messages = bytesWithin(log.filter((item) => !commits.includes(item)));
    for (const name of ["alice-the-sender", "bob-the-sender", alice.device, bob.device]) {
      expect(messages.includes(name)).toBe(false);
      if (isBase64Url(name) && name.length === 43)
        expect(messages.includes(Buffer.from(name, "base64url"))).toBe(false);
    }
  } finally {
    await cloud.close();
  }
}, 60_000);

test("no title, picture, role, name of a device, or anything of a backup", async () => {
  const cloud = await startLocalTacit();
  const frames: string[] = [];
  cloud.onFrame(({ data }) => frames.push(data));
  try {
    const secrets = new Map<string, string>();
    const alice = await join(cloud, "alice-the-owner", secrets);
    const bob = await join(cloud, "bob-the-admin", secrets);
    const carol = await join(cloud, "carol-the-guest", secrets);
    const titles = ["Surprise for the works council", "Closing of the Hamburg plant"];
    const pictures = [1, 2].map((step) => new Uint8Array(9_000).map((_, index) => (index * index * step) % 253));
    const names = ["telephone of the treasurer", "laptop at the summer house", "the old desk"];

    const atAlice = await alice.createGroup({
      title: titles[0]!,
      picture: pictures[0]!,
      members: [bob.account, carol.account],
    });
    const keys = [pictureKeyOf(atAlice)];
    await atAlice.setRole(bob.account, "admin");
    const atBob = await joined(bob);
    await atBob.accept();
    await atBob.setTitle(titles[1]!);
    await atBob.setPicture(pictures[1]);
    keys.push(pictureKeyOf(atBob));
    await (
      await atBob.send({ text: said[0]! })
    ).sent;
    await (
      await atAlice.send({ text: said[2]! })
    ).sent;
    expect(await (await joined(carol)).picture()).toBeDefined();

    const code = await alice.createRecoveryCode();
    const shown: string[] = [];
    const phone = await join(cloud, "alice-the-owner", secrets, {
      link: {
        name: names[0]!,
        onCode: ({ text }) => {
          shown.push(text);
          alice.linkDevice(text).catch(() => {});
        },
      },
    });
    await alice.renameDevice(phone.device, names[1]!);
    await alice.renameDevice(alice.device, names[2]!);
    const atPhone = await joined(phone);
    await heard(atPhone, 2);
    await (
      await atPhone.send({ text: said[1]! })
    ).sent;
    await heard(atAlice, 3);
    await alice.backupNow();
    expect(alice.backup.current.status).toBe("ok");
    await Promise.all([alice, bob, carol, phone].map((client) => client.close()));
    await cloud.settled();

    const known = await everythingStored(cloud, frames);
    // The search finds what is there: the roster, the devices, the backup.
    const objects = cloud.bucketObjects();
    expect(objects.some(({ key }) => key.startsWith("backup/"))).toBe(true);
    expect(objects.some(({ body }) => (body?.length ?? 0) >= pictures[1]!.length)).toBe(true);
    for (const present of [alice, bob, carol, phone].flatMap(({ account, device }) => [account, device])) {
      expect(known.includes(present)).toBe(true);
    }

    expect(shown).toHaveLength(1);
    const texts = [...titles, ...names, ...said.map((text) => text.slice(0, 24)), ...keys, code, ...shown];
    for (const text of [...texts, '"owners"', '"admins"'])
      expect({ text, isKnown: known.includes(text) }).toEqual({ text, isKnown: false });
    const bytes = [
      ...keys.map((key) => Buffer.from(key, "base64url")),
      Buffer.from(readRecoveryCode(code)!),
      ...pictures.flatMap((picture) => [0, 3_000, 8_900].map((at) => Buffer.from(picture.subarray(at, at + 24)))),
    ];
    for (const each of bytes) expect(known.includes(each)).toBe(false);
    expect(leakedFrom(secrets, known)).toEqual([]);
  } finally {
    await cloud.close();
  }
}, 90_000);

/** Its one conversation, as soon as it is in. */
async function joined(client: Client): Promise<Conversation> {
  const [known] = client.conversations();
  return known ?? new Promise((resolve) => client.on("conversation", resolve));
}

function pictureKeyOf(conversation: Conversation): string {
  return (conversation as LiveConversation).snapshot.data.picture!.key;
}

async function heard(conversation: Conversation, count: number): Promise<void> {
  let left = count;
  for await (const _ of conversation.messages({ signal: AbortSignal.timeout(20_000) })) if (--left === 0) return;
  throw new Error(`${left} messages did not come`);
}
