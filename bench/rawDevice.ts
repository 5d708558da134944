/**
 * A device without a client: keys, a proof, a socket, and frames as they are (protocol/PROTOCOL.md). Benchmarks measure
 * the relay with it alone, and tests misbehave with it.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { once } from "node:events";
import {
  accountRecordLabel,
  deviceCertificateLabel,
  deviceKeyThumbprintInput,
  encodeBase64Url,
  parseServerFrame,
  proofSubprotocolPrefix,
  signedBytes,
  subprotocol,
  tokenSubprotocolPrefix,
  type AccountRecord,
  type Answer,
  type DeviceCertificate,
  type Operation,
  type Push,
  type Refusal,
  type Request,
  type Signed,
} from "@tacit/protocol";
import { WebSocket } from "ws";

export interface Ed25519Key {
  readonly privateKey: KeyObject;
  /** base64url of the 32 bytes. */
  readonly x: string;
}

export function newKey(): Ed25519Key {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, x: publicKey.export({ format: "jwk" }).x! };
}

export const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("base64url");
export const randomId = (bytes = 16): string => randomBytes(bytes).toString("base64url");
export const deviceIdOf = (key: Ed25519Key): string => sha256(deviceKeyThumbprintInput(key.x));

export function signJson(label: string, key: Ed25519Key, value: unknown): Signed {
  const payload = Buffer.from(JSON.stringify(value));
  return {
    payload: encodeBase64Url(payload),
    signature: sign(null, signedBytes(label, payload), key.privateKey).toString("base64url"),
  };
}

export interface Identity {
  readonly account: string;
  readonly accountKey: Ed25519Key;
  readonly deviceKey: Ed25519Key;
  readonly device: string;
}

export function newIdentity(account: string): Identity {
  const deviceKey = newKey();
  return { account, accountKey: newKey(), deviceKey, device: deviceIdOf(deviceKey) };
}

export function certify(
  identity: Identity,
  deviceKey = identity.deviceKey,
  more: Partial<DeviceCertificate> = {},
): Signed {
  const certificate: DeviceCertificate = {
    account: identity.account,
    accountKey: identity.accountKey.x,
    device: deviceIdOf(deviceKey),
    deviceKey: deviceKey.x,
    signatureKeys: { "1": newKey().x },
    issuedAt: 0,
    ...more,
  };
  return signJson(deviceCertificateLabel, identity.accountKey, certificate);
}

export function accountRecordOf(identity: Identity, more: Partial<AccountRecord> = {}): Signed {
  const record: AccountRecord = {
    account: identity.account,
    version: 1,
    previous: null,
    accountKey: identity.accountKey.x,
    devices: [certify(identity)],
    revoked: [],
    ...more,
  };
  return signJson(accountRecordLabel, identity.accountKey, record);
}

export interface ProofOptions {
  readonly url: string;
  readonly token: string;
  readonly key: Ed25519Key;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly jti?: string;
  /** Replaces claims, to misbehave. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A DPoP proof (RFC 9449). */
export function proofOf({ url, token, key, now, jti = randomId(), claims = {} }: ProofOptions): string {
  const part = (value: object): string => encodeBase64Url(Buffer.from(JSON.stringify(value)));
  const header = part({ typ: "dpop+jwt", alg: "EdDSA", jwk: { kty: "OKP", crv: "Ed25519", x: key.x } });
  const body = part({ htm: "GET", htu: url, iat: Math.floor(now / 1000), jti, ath: sha256(token), ...claims });
  return `${header}.${body}.${sign(null, Buffer.from(`${header}.${body}`), key.privateKey).toString("base64url")}`;
}

export type Outcome<O extends Operation> =
  { readonly ok: Answer<O>; readonly error?: never } | { readonly ok?: never; readonly error: Refusal };

export interface RawDevice {
  readonly socket: WebSocket;
  readonly pushes: readonly Push[];
  readonly request: <O extends Operation>(op: O, fields: Request<O>) => Promise<Outcome<O>>;
  /** Sends `text` as it is and resolves with the next frame that is no push. */
  readonly raw: (text: string) => Promise<unknown>;
  /** The first push, past or future, that `wanted` accepts. */
  readonly push: (wanted: (push: Push) => boolean) => Promise<Push>;
  readonly closed: Promise<number>;
  readonly close: () => Promise<void>;
}

export interface OpenOptions {
  readonly url: string;
  readonly token: string;
  readonly key: Ed25519Key;
  readonly now?: number;
  readonly proof?: string;
  /** Milliseconds that an answer may take. */
  readonly timeout?: number;
}

/** Opens a socket; says nothing yet. @throws Error with the HTTP status where the upgrade is refused */
export async function openRaw(options: OpenOptions): Promise<RawDevice> {
  const { url, token, key, now = Date.now(), timeout = 30_000 } = options;
  const proof = options.proof ?? proofOf({ url, token, key, now });
  const socket = new WebSocket(url, [subprotocol, tokenSubprotocolPrefix + token, proofSubprotocolPrefix + proof]);
  const pushes: Push[] = [];
  const pushWaiters = new Set<(push: Push) => void>();
  const answers: ((frame: unknown) => void)[] = [];
  const closed = new Promise<number>((resolve) => void socket.once("close", resolve));
  socket.on("error", () => {});
  socket.on("message", (data: Buffer) => {
    const text = data.toString();
    const frame = parseServerFrame(text);
    if (frame.kind !== "push") return answers.shift()?.(JSON.parse(text));
    pushes.push(frame.push);
    for (const waiter of pushWaiters) waiter(frame.push);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("unexpected-response", (_request, response) => reject(new Error(`refused: ${response.statusCode}`)));
    socket.once("close", (code) => reject(new Error(`closed: ${code}`)));
  });

  /** One request at a time, so that answers need no matching: a test reads as it runs. */
  let turn: Promise<unknown> = Promise.resolve();
  async function raw(text: string): Promise<unknown> {
    const answer = turn.then(() =>
      bounded(timeout, "no answer", (resolve) => {
        answers.push(resolve);
        socket.send(text);
      }),
    );
    turn = answer.catch(() => {});
    return answer;
  }

  return {
    socket,
    pushes,
    closed,
    raw,
    request: async (op, fields) => (await raw(JSON.stringify({ id: randomId(6), op, ...fields }))) as never,
    push: (wanted) => {
      const seen = pushes.find(wanted);
      if (seen) return Promise.resolve(seen);
      let waiter: (push: Push) => void;
      return bounded<Push>(timeout, "no such push", (resolve) => {
        waiter = (push) => wanted(push) && resolve(push);
        pushWaiters.add(waiter);
      }).finally(() => pushWaiters.delete(waiter));
    },
    close: async () => {
      if (socket.readyState === WebSocket.CLOSED) return;
      socket.close();
      await once(socket, "close");
    },
  };
}

/** Signs up a new account with one device and comes back registered with scope full. */
export async function signUp(options: {
  readonly url: string;
  readonly token: string;
  readonly identity: Identity;
  readonly now?: number;
}): Promise<RawDevice> {
  const { identity, ...rest } = options;
  const first = await openRaw({ ...rest, key: identity.deviceKey });
  const put = await first.request("putAccount", { record: accountRecordOf(identity) });
  await first.close();
  if (put.error) throw new Error(`putAccount: ${put.error.code}`);
  const device = await openRaw({ ...rest, key: identity.deviceKey });
  const hello = await device.request("hello", {});
  if (hello.ok?.scope !== "full") throw new Error(`hello: ${JSON.stringify(hello)}`);
  return device;
}

/** Bytes that pass for a key package. It ends when real ones do, by the relay's clock. */
export async function keyPackageFrom(device: RawDevice, bytes: Uint8Array) {
  const hello = await device.request("hello", {});
  if (hello.ok === undefined) throw new Error(`hello: ${hello.error.code}`);
  const notAfter = Math.floor(hello.ok.serverTime / 1_000) + 90 * 86_400;
  return { hash: sha256(bytes), data: encodeBase64Url(bytes), notAfter };
}

/** A Welcome of `by` for `guest`, who publishes a key package for it. */
export async function welcomeFrom(by: RawDevice, guest: { readonly identity: Identity; readonly device: RawDevice }) {
  const { account, device } = guest.identity;
  const keyPackage = await keyPackageFrom(guest.device, randomBytes(300));
  const published = await guest.device.request("publishKeyPackages", { keyPackages: [keyPackage] });
  if (published.error) throw new Error(`publishKeyPackages: ${published.error.code}`);
  const claimed = await by.request("claimKeyPackages", { account });
  const given = claimed.ok?.keyPackages.find((one) => one.device === device);
  if (given === undefined) throw new Error(`claimKeyPackages: ${claimed.error?.code ?? "none left"}`);
  return { device, claim: given.claim, payload: { inline: encodeBase64Url(randomBytes(300)) } };
}

function bounded<T>(timeout: number, message: string, body: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(message)), timeout);
    body((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
