/**
 * Becoming part of an account that has devices: shows a code, offers this device's keys to them, and waits for the answer of the one
 * that holds the account key. What opens the answer is in the store, so a restart goes on with the same code.
 */
import { decodeBase64Url, encodeBase64Url, type Answer, type InboxItem, type Signed } from "@tacit/protocol";
import type { LinkCodeShown, LinkOptions } from "../api.ts";
import { TacitError } from "../errors.ts";
import { listenerSet } from "../observable.ts";
import type { Clock } from "../ports.ts";
import { LostAnswer, Refused, type RelaySocket } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import {
  decodeAccountMessage,
  encodeAccountMessage,
  type LinkAnswerMessage,
} from "../session/identity/accountMessage.ts";
import { certificateFor, verifyRecord, type VerifiedRecord } from "../session/identity/accountRecord.ts";
import type { Change } from "../session/conversationStore.ts";
import { sha256, type CryptoContext } from "../session/cryptoContext.ts";
import { isDeviceName } from "../session/identity/deviceNames.ts";
import { deviceKeysOf, type Enrolled, type Identity } from "../session/identity/identity.ts";
import { openAnswer, type HandedHistory, type LinkAnswer } from "../session/linking/linkAnswer.ts";
import { linkCodeQr, linkCodeText } from "../session/linking/linkCode.ts";
import {
  createLinkSession,
  decodeLinkSessions,
  encodeLinkSessions,
  linkCodeLifetime,
  linkCodeOf,
  offerMessage,
  type LinkSession,
} from "../session/linking/linkOffer.ts";

export interface DeviceLinkingDeps {
  readonly store: SealedStore;
  readonly crypto: CryptoContext;
  readonly clock: Clock;
  /** The relay's clock. */
  readonly now: () => number;
  readonly options: LinkOptions | undefined;
}

export interface Linked {
  readonly identity: Enrolled;
  readonly history: HandedHistory | undefined;
  /** What is over then, to be stored together with the identity. */
  readonly changes: readonly Change[];
}

const sessionsKey = "a/link";
/** Milliseconds after which a code's answer is not believed any more: who finds the code later cannot take this device for itself. */
const answerLifetime = 2 * linkCodeLifetime;
/** Milliseconds between repetitions of an offer, for a holder that was restarted: the last goes on. The relay counts them. */
const offerIntervals = [30_000, 60_000, 90_000];
const pollInterval = 2_000;

export class DeviceLinking {
  readonly #deps: DeviceLinkingDeps;
  readonly #codes = listenerSet<LinkCodeShown>();
  #announced: string | undefined;
  #sessions: readonly LinkSession[] = [];

  /** @throws TacitError `invalid_argument` */
  constructor(deps: DeviceLinkingDeps) {
    this.#deps = deps;
    const { options } = deps;
    if (options?.name !== undefined && !isDeviceName(options.name)) {
      throw new TacitError("invalid_argument", "connect: link.name is no device's name");
    }
    if (options !== undefined) this.#codes.add(options.onCode);
  }

  /**
   * Until the holder has answered. With `socket` of scope `register` it offers; a device that the record certifies already only waits
   * for the answer to what it offered before. Undefined: that answer will not come any more, so these keys are of no use.
   * @throws TacitError `link_cancelled`; LostAnswer, Refused
   */
  async run(
    identity: Identity,
    account: string,
    socket: RelaySocket,
    scope: "register" | "full",
  ): Promise<Linked | undefined> {
    const { clock } = this.#deps;
    await this.#load();
    const seen = new Set<string>();
    let offers = 0;
    let nextOffer = clock.now();
    for (;;) {
      await this.#requireWanted();
      if (scope === "full" && this.#alive().length === 0) return undefined;
      if (scope === "register") {
        const isNew = await this.#showCode(identity, account);
        if (isNew) offers = 0;
        if (isNew || clock.now() >= nextOffer) {
          await this.#offer(account, socket);
          nextOffer = clock.now() + offerIntervals[Math.min(offers++, offerIntervals.length - 1)]!;
        }
      }
      const linked = await this.#answered(identity, account, socket, seen);
      if (linked !== undefined) return linked;
      await this.#pause();
    }
  }

  /** Whether an answer may still come. */
  async isUnderWay(): Promise<boolean> {
    await this.#load();
    return this.#alive().length > 0;
  }

  /** The code shown last is worth nothing from now on. */
  async cancel(): Promise<void> {
    this.#sessions = [];
    this.#announced = undefined;
    await this.#deps.store.commit([{ key: sessionsKey }]);
  }

  async #load(): Promise<void> {
    const stored = await this.#deps.store.get(sessionsKey);
    this.#sessions = stored === undefined ? [] : decodeLinkSessions(stored);
  }

  #alive(): readonly LinkSession[] {
    const now = this.#deps.clock.now();
    return this.#sessions.filter(({ createdAt }) => createdAt <= now && now < createdAt + answerLifetime);
  }

  async #requireWanted(): Promise<void> {
    if (this.#deps.options?.signal?.aborted !== true) return;
    await this.cancel();
    throw new TacitError("link_cancelled", "linking was cancelled");
  }

  /** Makes a code where there is none that is young enough. Says whether it did. */
  async #showCode(identity: Identity, account: string): Promise<boolean> {
    const { crypto, store, clock, now, options } = this.#deps;
    const { provider } = crypto;
    const alive = this.#alive();
    let session = alive.at(-1);
    const isNew = session === undefined || clock.now() >= session.createdAt + linkCodeLifetime;
    if (session === undefined || isNew) {
      const made = { account, name: options?.name, issuedAt: now(), createdAt: clock.now() };
      session = await createLinkSession(provider, identity, made);
      const sessions = [...alive, session];
      await store.commit([{ key: sessionsKey, value: encodeLinkSessions(sessions) }]);
      this.#sessions = sessions;
    }
    const code = linkCodeOf(provider, session);
    const text = linkCodeText(code);
    if (text !== this.#announced) {
      this.#announced = text;
      this.#codes.emit({ text, qr: linkCodeQr(code), until: session.createdAt + linkCodeLifetime });
    }
    return isNew;
  }

  /** To all of the account's devices: who holds the account key is not known here. The record only says where to. */
  async #offer(account: string, socket: RelaySocket): Promise<void> {
    const session = this.#sessions.at(-1);
    if (session === undefined) return;
    const { provider } = this.#deps.crypto;
    const { record } = await socket.request("getAccount", { account });
    const verified = await verifyRecord(provider, record, account);
    if (verified === undefined) throw new TacitError("identity_invalid", "the account's record does not hold");
    const inline = encodeBase64Url(encodeAccountMessage(offerMessage(session)));
    // The same each time: it overwrites what is still unread.
    const message = encodeBase64Url(sha256(provider, session.offer).slice(0, 16));
    for (const { device } of verified.devices) {
      try {
        await socket.request("sendInbox", { account, device, message, payload: { inline } });
      } catch (error) {
        // One that cannot be reached, now or ever, is not a reason not to ask the others; it is asked again.
        if (!(error instanceof Refused) || endsSocket(error)) throw error;
      }
    }
  }

  async #answered(
    identity: Identity,
    account: string,
    socket: RelaySocket,
    seen: Set<string>,
  ): Promise<Linked | undefined> {
    for await (const item of inboxOf(socket)) {
      if (item.kind !== "message" || item.account !== account || seen.has(item.id)) continue;
      if (!("inline" in item.payload)) continue;
      const message = decodeAccountMessage(decodeBase64Url(item.payload.inline));
      const opened = message?.kind === "linkAnswer" ? await this.#open(identity, account, message) : undefined;
      if (opened === undefined) {
        seen.add(item.id);
        continue;
      }
      const linked = await this.#accept(identity, account, socket, opened.session, opened.answer);
      if (linked !== undefined) return linked;
    }
    return undefined;
  }

  async #open(
    { device }: Identity,
    account: string,
    message: LinkAnswerMessage,
  ): Promise<{ readonly session: LinkSession; readonly answer: LinkAnswer } | undefined> {
    const { provider } = this.#deps.crypto;
    for (const session of this.#alive()) {
      const answer = await openAnswer(provider, { account, device }, session, message);
      if (answer !== undefined) return { session, answer };
    }
    return undefined;
  }

  /** Undefined where the relay does not hand out the record that the holder spoke of: it is asked again. */
  async #accept(
    identity: Identity,
    account: string,
    socket: RelaySocket,
    session: LinkSession,
    answer: LinkAnswer,
  ): Promise<Linked | undefined> {
    const { provider } = this.#deps.crypto;
    const { record, receipt } = await socket.request("getAccount", { account });
    const verified = await verifyRecord(provider, record, account);
    const certificate = certificateFor(record, identity.device);
    if (verified === undefined || certificate === undefined || !isAnswered(verified, answer, identity))
      return undefined;
    const { secret, secretSince, history } = answer;
    return {
      identity: {
        ...identity,
        accountKey: undefined,
        accountSecret: secret,
        secretSince,
        hpkeKey: session.hpkeKey,
        enrolment: enrolmentOf(verified, record, certificate, receipt),
      },
      history,
      changes: [{ key: sessionsKey }],
    };
  }

  /** Until the next look into the inbox, or until linking is cancelled. */
  #pause(): Promise<void> {
    const { clock, options } = this.#deps;
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        options?.signal?.removeEventListener("abort", wake);
        resolve();
      };
      const cancel = clock.after(pollInterval, wake);
      options?.signal?.addEventListener("abort", wake);
    });
  }
}

function enrolmentOf(
  { account, version }: VerifiedRecord,
  record: Signed,
  certificate: Signed,
  receipt: Signed,
): Enrolled["enrolment"] {
  return { account, certificate, record, recordVersion: version, receipt, registered: true };
}

/** Is it the record that the holder spoke of, or one that came after it, and does it certify exactly this device's keys? */
function isAnswered(record: VerifiedRecord, answer: LinkAnswer, identity: Identity): boolean {
  const { accountKey, version, hash } = answer;
  if (record.accountKey !== accountKey || record.version < version) return false;
  if (record.version === version && record.hash !== hash) return false;
  const { device, deviceKey, signatureKeys } = deviceKeysOf(identity);
  const certified = record.devices.find((each) => each.device === device);
  if (certified?.deviceKey !== deviceKey) return false;
  const suites = Object.keys(certified.signatureKeys);
  return (
    suites.length === Object.keys(signatureKeys).length &&
    suites.every((suite) => certified.signatureKeys[suite] === signatureKeys[suite])
  );
}

async function* inboxOf(socket: RelaySocket): AsyncGenerator<InboxItem, void, undefined> {
  let after: string | undefined;
  do {
    const page: Answer<"readInbox"> = await socket.request("readInbox", after === undefined ? {} : { after });
    yield* page.items;
    if (page.next !== undefined && after !== undefined && page.next <= after) {
      throw new LostAnswer("the pages of the inbox do not advance");
    }
    after = page.next;
  } while (after !== undefined);
}

/** Whether the refusal is of the socket rather than of the request. */
function endsSocket({ refusal }: Refused): boolean {
  return ["superseded", "device_revoked", "out_of_scope", "lease_expired", "token_expired"].includes(refusal.code);
}
