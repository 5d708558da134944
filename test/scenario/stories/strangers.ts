/** Stories about people who want what is not theirs. */
import {
  accountRecordOf,
  certify,
  keyPackageFrom,
  newIdentity,
  newKey,
  openRaw,
  proofOf,
  randomId,
  sha256,
} from "../../../bench/rawDevice.ts";
import { group, message, opaque, person, readAll, type Story } from "../stage.ts";

export const aStranger: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const bob = await person(cloud, "bob");
  const mallory = await person(cloud, "mallory");
  const conversation = await group([alice, bob]);
  await alice.device.request("append", { conversation, turn: 1, entries: [message("for bob")] });
  const before = JSON.stringify(await cloud.tables());

  // Neither reads, appends, commits, proposes nor signals; and cannot tell a conversation that exists from one that does not.
  for (const target of [conversation, `g-${randomId()}`]) {
    const tries = [
      await mallory.device.request("read", { conversation: target, after: 0 }),
      await mallory.device.request("append", { conversation: target, turn: 1, entries: [message("spam")] }),
      await mallory.device.request("propose", {
        conversation: target,
        turn: 1,
        entry: randomId(),
        payload: opaque("p"),
        leave: true,
      }),
      await mallory.device.request("commit", {
        conversation: target,
        turn: 1,
        after: 1,
        entry: randomId(),
        payload: opaque("c"),
        welcomes: [],
        blobs: [],
        add: [mallory.identity.account],
        remove: [],
      }),
      await mallory.device.request("signal", { conversation: target, payload: opaque("s", 64).inline }),
    ];
    for (const { error } of tries) expect(error).toMatchObject({ code: "not_a_member", retryable: false });
    expect(new Set(tries.map(({ error }) => error!.message)).size).toBe(1);
  }
  expect(JSON.stringify(await cloud.tables())).toBe(before);

  // Cannot pose as somebody else's device: neither by a record of its own, nor by a proof with another key.
  const thief = newIdentity(cloud.account("mallory2"));
  const socket = await openRaw({
    url: cloud.url,
    token: await cloud.token(thief.account),
    key: thief.deviceKey,
    now: cloud.now(),
  });
  const stolenId = accountRecordOf(thief, {
    devices: [certify(thief, thief.deviceKey, { device: bob.identity.device })],
  });
  expect((await socket.request("putAccount", { record: stolenId })).error?.code).toBe("record_invalid");
  const stolenKey = accountRecordOf(thief, { devices: [certify(thief, bob.identity.deviceKey)] });
  expect((await socket.request("putAccount", { record: stolenKey })).error?.code).toBe("record_invalid");
  await socket.close();

  // Claims are counted, and what is claimed is gone: at most once, to anybody.
  const packages = [];
  for (let i = 0; i < 3; i++) packages.push(await keyPackageFrom(bob.device, new Uint8Array(300).fill(i)));
  expect((await bob.device.request("publishKeyPackages", { keyPackages: packages })).ok?.count).toBe(3);
  const claims = [];
  for (let i = 0; i < 4; i++)
    claims.push(await mallory.device.request("claimKeyPackages", { account: bob.identity.account }));
  const given = claims.flatMap(({ ok }) => ok?.keyPackages.map(({ hash }) => hash) ?? []);
  expect(given).toHaveLength(3);
  expect(new Set(given).size).toBe(3);
  expect(claims.at(-1)!.ok).toMatchObject({ keyPackages: [], missing: [bob.identity.device] });

  // A Welcome needs a claim of one's own.
  const foreign = await alice.device.request("createConversation", {
    conversation: `g-${randomId()}`,
    entry: randomId(),
    payload: opaque("x"),
    welcomes: [{ device: bob.identity.device, claim: claims[0]!.ok!.keyPackages[0]!.claim, payload: opaque("w") }],
    blobs: [],
    roster: [alice.identity.account, bob.identity.account],
    generation: 0,
  });
  expect(foreign.error?.code).toBe("key_package_not_claimed");
};

export const aStolenToken: Story = async (cloud) => {
  const alice = await person(cloud, "alice");
  const token = await cloud.token(alice.identity.account);
  const thiefKey = newKey();
  const base = { url: cloud.url, token, now: cloud.now() };

  // With a key of the thief's own: a device without a certificate, which may not even look.
  const thief = await openRaw({ ...base, key: thiefKey });
  expect((await thief.request("hello", {})).ok?.scope).toBe("register");
  expect((await thief.request("readInbox", {})).ok).toEqual({ items: [] });
  expect((await thief.request("claimKeyPackages", { account: alice.identity.account })).error?.code).toBe(
    "out_of_scope",
  );
  const own = newIdentity(alice.identity.account);
  expect(
    (await thief.request("putAccount", { record: accountRecordOf({ ...own, deviceKey: thiefKey }) })).error?.code,
  ).toBe("record_conflict");
  await thief.close();

  // With the victim's public key in a proof that the thief signed.
  const forged = proofOf({ ...base, key: { privateKey: thiefKey.privateKey, x: alice.identity.deviceKey.x } });
  await expect(openRaw({ ...base, key: thiefKey, proof: forged })).rejects.toThrow("refused: 403");

  // With a proof that the victim made for another token, another endpoint, or an hour ago; or one that was used.
  const proof = (claims: Record<string, unknown>) => proofOf({ ...base, key: alice.identity.deviceKey, claims });
  await expect(openRaw({ ...base, key: thiefKey, proof: proof({ ath: sha256("another") }) })).rejects.toThrow(
    "refused: 403",
  );
  await expect(openRaw({ ...base, key: thiefKey, proof: proof({ htu: "wss://elsewhere.example" }) })).rejects.toThrow(
    "refused: 403",
  );
  for (const [claims, code] of [
    [{ iat: Math.floor(cloud.now() / 1000) - 3_600 }, "clock_skew"],
    [{ iat: Math.floor(cloud.now() / 1000) + 3_600 }, "clock_skew"],
  ] as const) {
    const skewed = await openRaw({ ...base, key: thiefKey, proof: proof(claims) });
    expect((await skewed.request("readInbox", {})).error?.code).toBe(code);
    await skewed.closed;
  }
  const once = proof({});
  const first = await openRaw({ ...base, key: thiefKey, proof: once });
  await first.close();
  const replayed = await openRaw({ ...base, key: thiefKey, proof: once });
  expect((await replayed.request("hello", {})).error?.code).toBe("proof_replayed");
  await replayed.closed;

  // A token that nobody signed, or for another audience.
  const [header, body] = token.split(".");
  await expect(openRaw({ ...base, key: thiefKey, token: `${header}.${body}.AAAA` })).rejects.toThrow(/refused: 40[13]/);
  const elsewhere = await cloud.token(alice.identity.account, { audience: "another" });
  await expect(openRaw({ ...base, key: thiefKey, token: elsewhere })).rejects.toThrow(/refused: 40[13]/);

  expect(await readAll(alice.device, await group([alice]))).toHaveLength(1);
};
