/** Who may connect, and as what. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { proofSubprotocolPrefix, subprotocol, tokenSubprotocolPrefix } from "@tacit/protocol";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { accountRecordOf, deviceIdOf, newIdentity, newKey, proofOf, randomId, sha256 } from "../../bench/rawDevice.ts";
import { oidcTokens } from "../../lambdas/adapters/oidcTokens.ts";
import { admit, type Gate } from "../../lambdas/core/admit.ts";
import { policyOf, protocolsOf } from "../../lambdas/handlers/authorizerEvent.ts";
import { ask, hour, minute, newStage, person, socketOf, type Stage } from "./stage.ts";

const url = "wss://relay.example/v1";
const issuer = "https://id.example";

/** A gate whose tokens are JSON: signatures are the adapter's matter. */
function gateOf(stage: Stage): Gate {
  const open = (token: string) =>
    Promise.resolve(
      token === "forged" ? undefined : (JSON.parse(Buffer.from(token, "base64url").toString()) as object),
    );
  return {
    tokens: { open: open as Gate["tokens"]["open"] },
    proofs: stage.memory.ports.proofs,
    directory: stage.memory.ports.directory,
    verify: stage.memory.ports.verify,
    clock: stage.memory.ports.clock,
    issuer,
    audience: "tacit",
    accountClaim: "sub",
    socketUrl: url,
  };
}

function setting() {
  const stage = newStage();
  const identity = newIdentity("alice");
  const claims = { iss: issuer, aud: "tacit", sub: "alice", exp: (stage.now + hour) / 1_000 };
  const tokenOf = (more: object = {}) => Buffer.from(JSON.stringify({ ...claims, ...more })).toString("base64url");
  const offer = (token: string, proof: string) =>
    [subprotocol, tokenSubprotocolPrefix + token, proofSubprotocolPrefix + proof].join(", ");
  const proof = (token: string, more: Partial<Parameters<typeof proofOf>[0]> = {}) =>
    proofOf({ url, token, key: identity.deviceKey, now: stage.now, ...more });
  const show = (more: object = {}, proofMore: Partial<Parameters<typeof proofOf>[0]> = {}) => {
    const token = tokenOf(more);
    return admit(gateOf(stage), offer(token, proof(token, proofMore)));
  };
  return { stage, identity, tokenOf, offer, proof, show };
}

describe("admit", () => {
  test("an unknown device may register, a certified one everything, a revoked one nothing", async () => {
    const { stage, identity, show } = setting();
    const alike = { kind: "admitted", account: "alice", device: identity.device, expires: stage.now + hour };
    expect(await show()).toEqual({ ...alike, scope: "register", reason: undefined });
    const record = accountRecordOf(identity);
    await ask(socketOf(stage, identity, { scope: "register" }), "putAccount", { record });
    expect(await show()).toEqual({ ...alike, scope: "full", reason: undefined });
    const stored = stage.memory.tables.accounts.get("alice")!;
    stage.memory.tables.accounts.set("alice", { ...stored, devices: [], revoked: [identity.device] });
    expect(await show()).toEqual({ ...alike, scope: "none", reason: "device_revoked" });
  });

  test("another key than the account's devices have opens nothing", async () => {
    const { stage, show } = setting();
    await person(stage, "alice");
    expect(await show()).toMatchObject({ scope: "register" });
  });

  test.each([
    ["another issuer", { iss: "https://evil.example" }],
    ["another audience", { aud: ["other", "more"] }],
    ["no audience", { aud: undefined }],
    ["no account", { sub: undefined }],
    ["an account that is none", { sub: "a b" }],
    ["no expiry", { exp: undefined }],
    ["an expiry that is none", { exp: "tomorrow" }],
    ["a beginning that is none", { nbf: "yesterday" }],
  ])("a token of %s is denied", async (_title, more) => {
    expect(await setting().show(more)).toEqual({ kind: "denied" });
  });

  test("a list of audiences will do, and another claim may name the account", async () => {
    const { stage, identity, tokenOf, offer, proof, show } = setting();
    expect(await show({ aud: ["other", "tacit"] })).toMatchObject({ kind: "admitted" });
    const token = tokenOf({ email: "alice@example.com" });
    const admission = await admit({ ...gateOf(stage), accountClaim: "email" }, offer(token, proof(token)));
    expect(admission).toMatchObject({ account: "alice@example.com", device: identity.device });
  });

  test("a token that the provider did not sign is denied", async () => {
    const { stage, offer, proof } = setting();
    expect(await admit(gateOf(stage), offer("forged", proof("forged")))).toEqual({ kind: "denied" });
  });

  test.each([
    ["another method", { htm: "POST" }],
    ["another address", { htu: "wss://evil.example/v1" }],
    ["another token", { ath: sha256("other") }],
    ["a short jti", { jti: "AAAA" }],
    ["no time", { iat: undefined }],
  ])("a proof of %s is denied", async (_title, claims) => {
    expect(await setting().show({}, { claims })).toEqual({ kind: "denied" });
  });

  test("a proof under a key that did not sign it is denied", async () => {
    const { identity, show } = setting();
    const key = { privateKey: newKey().privateKey, x: identity.deviceKey.x };
    expect(await show({}, { key })).toEqual({ kind: "denied" });
  });

  test("a proof that is damaged in any character is denied", async () => {
    const { stage, tokenOf, offer, proof } = setting();
    const token = tokenOf();
    const good = proof(token);
    for (let at = 0; at < good.length; at += 7) {
      const bad = good.slice(0, at) + (good[at] === "A" ? "B" : "A") + good.slice(at + 1);
      expect(await admit(gateOf(stage), offer(token, bad))).toEqual({ kind: "denied" });
    }
    expect(await admit(gateOf(stage), offer(token, good))).toMatchObject({ kind: "admitted" });
  });

  test("what is off in time is admitted to be told so", async () => {
    const { stage, show } = setting();
    const reason = async (...args: Parameters<typeof show>) => {
      const admission = await show(...args);
      return admission.kind === "admitted" ? [admission.scope, admission.reason] : admission.kind;
    };
    expect(await reason({ exp: stage.now / 1_000 })).toEqual(["none", "token_expired"]);
    expect(await reason({ nbf: (stage.now + 2 * minute) / 1_000 })).toEqual(["none", "clock_skew"]);
    expect(await reason({}, { now: stage.now - minute - 1_000 })).toEqual(["none", "clock_skew"]);
    expect(await reason({}, { now: stage.now + minute + 1_000 })).toEqual(["none", "clock_skew"]);
    expect(await reason({}, { now: stage.now - minute })).toEqual(["register", undefined]);
    // What was only late is not used up.
    const jti = randomId();
    expect(await reason({}, { jti, now: stage.now - 2 * minute })).toEqual(["none", "clock_skew"]);
    expect(await reason({}, { jti })).toEqual(["register", undefined]);
    expect(await reason({}, { jti })).toEqual(["none", "proof_replayed"]);
    // Another device's number is its own.
    expect(await reason({}, { jti, key: newKey() })).toEqual(["register", undefined]);
  });

  test.each([
    ["nothing", ""],
    ["no token", `${subprotocol}, ${proofSubprotocolPrefix}x`],
    ["no proof", `${subprotocol}, ${tokenSubprotocolPrefix}x`],
    ["another version", `tacit.v9, ${tokenSubprotocolPrefix}x, ${proofSubprotocolPrefix}x`],
    [
      "two tokens",
      `${subprotocol}, ${tokenSubprotocolPrefix}x, ${tokenSubprotocolPrefix}y, ${proofSubprotocolPrefix}x`,
    ],
  ])("who shows %s is not judged", async (_title, protocols) => {
    expect(await admit(gateOf(newStage()), protocols)).toEqual({ kind: "unauthorized" });
  });
});

describe("the authorizer's event", () => {
  test("names of headers come in any case, and a list over several lines", () => {
    type Event = Parameters<typeof protocolsOf>[0];
    const read = (event: object) => protocolsOf(event as Event);
    expect(read({ headers: { "sec-websocket-PROTOCOL": "a, b" } })).toBe("a, b");
    expect(
      read({ headers: { "Sec-WebSocket-Protocol": "b" }, multiValueHeaders: { "Sec-WebSocket-Protocol": ["a", "b"] } }),
    ).toBe("a,b");
    expect(read({ headers: null })).toBe("");
  });

  test("is answered with a policy for this one request, or with what API Gateway makes 401 of", () => {
    const arn = "arn:aws:execute-api:eu-west-1:1:api/v1/$connect";
    expect(() => policyOf(arn, { kind: "unauthorized" })).toThrow(/^Unauthorized$/);
    expect(policyOf(arn, { kind: "denied" }).policyDocument.Statement).toMatchObject([
      { Effect: "Deny", Resource: arn },
    ]);
    const admitted = {
      kind: "admitted",
      account: "a",
      device: "d",
      scope: "none",
      expires: 7,
      reason: "clock_skew",
    } as const;
    expect(policyOf(arn, admitted)).toMatchObject({
      policyDocument: { Statement: [{ Effect: "Allow", Resource: arn }] },
      context: { account: "a", device: "d", scope: "none", expires: "7", reason: "clock_skew" },
    });
  });
});

describe("tokens of an OpenID Connect provider", () => {
  let server: Server;
  let address: string;
  let published: object[];
  let requests: string[];
  let status: number;

  beforeEach(async () => {
    [published, requests, status] = [[], [], 200];
    server = createServer((request, response) => {
      requests.push(request.url!);
      const discovery = request.url!.endsWith("openid-configuration");
      const body = discovery ? { issuer: address, jwks_uri: `${address}/keys` } : { keys: published };
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });

  async function publish(kid: string): Promise<CryptoKey> {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    published.push({ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" });
    return privateKey;
  }
  const sign = (key: CryptoKey | Uint8Array, kid: string, alg = "ES256") =>
    new SignJWT({ sub: "alice" }).setProtectedHeader({ alg, kid }).sign(key);

  test("are opened under its keys, which are fetched once", async () => {
    const key = await publish("1");
    const tokens = oidcTokens(address);
    for (let i = 0; i < 3; i++) expect(await tokens.open(await sign(key, "1"))).toEqual({ sub: "alice" });
    expect(requests).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  test("of unknown keys, with a secret, or with nothing, are not opened", async () => {
    const key = await publish("1");
    const { privateKey } = await generateKeyPair("ES256");
    const tokens = oidcTokens(address);
    const secret = new TextEncoder().encode(JSON.stringify(published[0]));
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"sub":"alice"}').toString("base64url")}.`;
    for (const token of [
      await sign(privateKey, "1"),
      await sign(key, "9"),
      await sign(secret, "1", "HS256"),
      none,
      "x",
      "",
    ]) {
      expect(await tokens.open(token)).toBeUndefined();
    }
  });

  test("come with keys over TLS, but on one's own machine", async () => {
    const document = { issuer: "https://login.example", jwks_uri: "http://login.example/keys" };
    const fetched = jest.spyOn(globalThis, "fetch").mockResolvedValue(Response.json(document));
    await expect(oidcTokens(document.issuer).open("a.b.c")).rejects.toThrow("key set without TLS");
    fetched.mockRestore();
  });

  test("a provider that fails is not a token that fails; it is asked again", async () => {
    const key = await publish("1");
    const tokens = oidcTokens(address);
    status = 503;
    await expect(sign(key, "1").then((token) => tokens.open(token))).rejects.toThrow("503");
    status = 200;
    expect(await tokens.open(await sign(key, "1"))).toEqual({ sub: "alice" });
    await expect(oidcTokens(`${address}/other`).open(await sign(key, "1"))).rejects.toThrow("discovery document");
  });
});

test("a device id is the thumbprint of RFC 8037, appendix A.3", () => {
  const key = { ...newKey(), x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  expect(deviceIdOf(key)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});
