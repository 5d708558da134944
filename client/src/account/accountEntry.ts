/** Becoming part of an account: its first device registers it, others are linked, and a recovery code takes it over. */
import { DeviceLinking, type Linked } from "../linking/deviceLinking.ts";
import type { Hello } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import { LostAnswer, Refused, type RelaySocket } from "../connection/relaySocket.ts";
import { createIdentity, enrol } from "../session/identity/identity.ts";
import { historyToTake } from "../linking/takeHistory.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";
import type { OwnIdentity } from "./ownIdentity.ts";
import { isConflict } from "./recordVersions.ts";
import { announceLater } from "./siblings.ts";

export class AccountEntry {
  readonly #deps: OwnAccountDeps;
  readonly #own: OwnIdentity;
  readonly #linking: DeviceLinking;

  constructor(deps: OwnAccountDeps, own: OwnIdentity) {
    this.#deps = deps;
    this.#own = own;
    const { store, crypto, clock, connection, link } = deps;
    this.#linking = new DeviceLinking({ store, crypto, clock, now: () => connection.now(), options: link });
  }

  /**
   * The socket said hello: enters the account where this device is not part of it yet. A device of an account that has devices waits
   * here until it is linked.
   * @throws TacitError `device_not_linked`, `link_cancelled`; Refused, LostAnswer
   */
  async welcomed(hello: Hello, socket: RelaySocket): Promise<"use" | "again"> {
    const { enrolment } = this.#own.now;
    if (hello.scope === "full") {
      if (this.#own.isRegistered) return "use";
      if (enrolment === undefined) return this.#awaitAnswer(hello, socket);
      await this.#own.save({ ...this.#own.now, enrolment: { ...enrolment, registered: true } });
      return "use";
    }
    if (this.#own.isRegistered) throw notLinked("the relay does not know this device any more");
    if (enrolment === undefined && this.#deps.recovery !== undefined) {
      const { identity, changes } = await this.#deps.recovery.enter(this.#own.now, hello, socket);
      await this.#own.save(identity, changes);
      return this.#putRecovered(socket);
    }
    if (enrolment !== undefined && this.#deps.recovery !== undefined) return this.#putRecovered(socket);
    if (enrolment === undefined && (await exists(hello.account, socket))) return this.#beLinked(hello, socket);
    const { provider } = this.#deps.crypto;
    if (enrolment === undefined) {
      await this.#own.save(await enrol(provider, this.#own.now, hello.account, hello.serverTime));
    }
    try {
      // The very same record each time, so that a lost answer does no harm.
      await socket.request("putAccount", { record: this.#own.enrolment.record });
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.#beLinked(hello, socket);
    }
    return "again";
  }

  /** The record that takes the account over. Where the relay has another one by now, that of the recovery is made anew. */
  async #putRecovered(socket: RelaySocket): Promise<"again"> {
    try {
      await socket.request("putAccount", { record: this.#own.enrolment.record });
    } catch (error) {
      if (!isConflict(error)) throw error;
      const { enrolment: _, ...identity } = this.#own.now;
      await this.#own.save({ ...identity, accountKey: undefined, accountSecret: undefined, secretSince: 0 });
      throw new LostAnswer("the account's record has gone on");
    }
    return "again";
  }

  async #beLinked(hello: Hello, socket: RelaySocket): Promise<"again"> {
    if (this.#deps.link === undefined) throw notLinked("the account exists already, and this device is not part of it");
    const { enrolment: _, ...identity } = this.#own.now;
    // An account key that this device made for itself is nobody's.
    if (this.#own.now.enrolment !== undefined) {
      await this.#own.save({ ...identity, accountKey: undefined, accountSecret: undefined, secretSince: 0 });
    }
    const linked = await this.#linking.run(this.#own.now, hello.account, socket, "register");
    if (linked === undefined) throw new LostAnswer("the answer does not come any more");
    await this.#becomeLinked(linked);
    return "again";
  }

  /** The record certifies this device already, and the holder's answer has not been read. */
  async #awaitAnswer(hello: Hello, socket: RelaySocket): Promise<"use"> {
    if (this.#deps.link === undefined && !(await this.#linking.isUnderWay())) {
      throw notLinked("this device did not hear what its account's holder had to say");
    }
    const linked = await this.#linking.run(this.#own.now, hello.account, socket, "full");
    if (linked !== undefined) {
      await this.#becomeLinked(linked);
      return "use";
    }
    if (this.#deps.link === undefined) throw notLinked("the holder's answer did not come in time");
    // Nobody can tell any more what the holder said to these keys.
    await this.#own.save(await createIdentity(this.#deps.crypto));
    throw new LostAnswer("this device begins anew");
  }

  async #becomeLinked({ identity, history, changes }: Linked): Promise<void> {
    await this.#own.save(identity, [...changes, ...historyToTake(history), announceLater]);
  }

  /** Makes the code worthless that this device shows. */
  cancelLinking(): Promise<void> {
    return this.#linking.cancel();
  }
}

async function exists(account: string, socket: RelaySocket): Promise<boolean> {
  try {
    await socket.request("getAccount", { account });
    return true;
  } catch (error) {
    if (error instanceof Refused && error.refusal.code === "unknown_account") return false;
    throw error;
  }
}

const notLinked = (why: string): TacitError => new TacitError("device_not_linked", why);
