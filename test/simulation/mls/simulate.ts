/** One simulated group from its first member to its last step. */
import { createHash } from "node:crypto";
import { epochAuthenticator } from "@tacit/mls";
import { Dice } from "./dice.ts";
import { step } from "./events.ts";
import { attackNames } from "./forgeries.ts";
import { Group, type Counts } from "./group.ts";
import { replayableSuite } from "./suite.ts";

export interface SimulationOptions {
  readonly suite: number;
  readonly seed: number;
  readonly steps: number;
  /** Members at once. */
  readonly maximum: number;
  /** HPKE trials per commit and removed member; default 24. */
  readonly trials?: number;
  /** Names of the attacks that are made; default all (`attackNames`). */
  readonly attacks?: readonly string[];
}

export interface Simulated extends Counts {
  readonly steps: number;
  readonly findings: readonly string[];
  /** A hash over the epochs that the group went through: equal for equal options. */
  readonly history: string;
}

/** Never throws for what the engine does: that is a disagreement, and the simulation of this group ends there. */
export async function simulate(options: SimulationOptions): Promise<Simulated> {
  const { suite: id, seed, steps, maximum, trials = 24, attacks = attackNames } = options;
  const group = new Group(replayableSuite(id, `simulation ${seed}`), new Dice(seed), maximum, trials, attacks);
  const history = createHash("sha256");
  let done = 0;
  try {
    await group.start();
    for (; done < steps; done++) {
      await step(group);
      const [member] = group.online;
      if (member !== undefined) history.update(epochAuthenticator(member.state));
      // After a member is lost, each further step would only say so again.
      if (group.counts.disagreements > 20) break;
    }
  } catch (error) {
    group.disagree(`an honest step failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  const { counts, findings } = group;
  const at = `seed ${seed}, suite 0x${id.toString(16).padStart(4, "0")}, up to ${maximum} members, ${done} steps done`;
  return { ...counts, steps: done, findings: findings.map((each) => `${at}: ${each}`), history: history.digest("hex") };
}
