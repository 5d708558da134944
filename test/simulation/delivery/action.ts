/** One thing that may happen in a run, and what all of them share. */
import { isTacitError } from "@tacit/client";
import type { Device } from "./device.ts";
import { noteExpiredWelcomes } from "./expiredWelcomes.ts";
import type { World } from "./world.ts";

export interface Action {
  readonly kind: string;
  /** How often, compared with others. */
  readonly weight: number;
  /** Whether it counts as messages, and how many: the workload ends after so many. */
  readonly perform: (world: World) => number | undefined;
}

/** Errors of `conversation` and `send` that an application expects. */
const passing: ReadonlySet<string> = new Set([
  "closed",
  "offline",
  "connection_lost",
  "store_failed",
  "rate_limited",
  "no_key_packages",
  "not_a_member",
  "forbidden",
]);

export function someone(world: World, isFit: (device: Device) => boolean = () => true): Device | undefined {
  const fit = world.devices.filter(isFit);
  return fit.length === 0 ? undefined : world.dice.pick(fit);
}

export const hasClient = (device: Device): boolean => device.client !== undefined;

/** What the application asked for: it settles, and where not, the checker says so. */
export function asked(world: World, device: Device, what: string, call: Promise<unknown> | undefined): void {
  const { life } = device;
  if (call === undefined || life === undefined) return;
  const open = { what };
  life.asked.add(open);
  call
    .catch((error: unknown) => complain(world, device, error))
    .finally(() => life.asked.delete(open))
    .catch(() => {});
}

export function complain(world: World, device: Device, error: unknown): void {
  const code = isTacitError(error) ? error.code : String(error);
  world.oracle.failure(`refused: ${code}`);
  if (code === "cannot_follow" && missedWelcome(world, device)) return;
  if (!passing.has(code)) world.oracle.find("other", device.name, "", `a call failed: ${code}: ${messageOf(error)}`);
}

/** Somebody created the conversation that it wants, so long ago that its Welcome is gone: it asks, and is put in anew. */
function missedWelcome(world: World, { id }: Device): boolean {
  noteExpiredWelcomes(world);
  return id !== undefined && world.oracle.memberships.hasAnywhere(id, "welcomeExpired");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}
