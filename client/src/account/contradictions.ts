/** Other records of the own account than the one that this device knows: each version is told of once. */
import type { Signed } from "@tacit/protocol";
import { equivocation } from "./equivocation.ts";
import { evidenceIn } from "../session/identity/receipt.ts";
import type { OwnAccountDeps } from "./accountDeps.ts";
import type { OwnIdentity } from "./ownIdentity.ts";

export class Contradictions {
  readonly #deps: Pick<OwnAccountDeps, "crypto" | "equivocation">;
  readonly #own: OwnIdentity;
  readonly #told = new Set<number>();

  constructor(deps: Pick<OwnAccountDeps, "crypto" | "equivocation">, own: OwnIdentity) {
    this.#deps = deps;
    this.#own = own;
  }

  /** `shown`: the receipt for the other one, where the relay itself showed it. */
  async add(version: number, shown: Signed | undefined): Promise<void> {
    if (this.#told.has(version)) return;
    this.#told.add(version);
    const { account, receipt } = this.#own.enrolment;
    const evidence = receipt && shown && (await evidenceIn(this.#deps.crypto.provider, [receipt, shown]));
    this.#deps.equivocation(equivocation(account, version, receipt, evidence));
  }
}
