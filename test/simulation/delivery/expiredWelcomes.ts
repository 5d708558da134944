/**
 * Welcomes whose time was over before their device took them, whether they were deleted or not: the keys that open them are gone after as long.
 */
import type { World } from "./world.ts";

export function noteExpiredWelcomes({ tables, oracle, scheduler }: World): void {
  for (const [owner, places] of tables.inbox) {
    for (const { ttl, welcome, staged } of places.values()) {
      const since = ttl * 1_000;
      const conversation = welcome?.kind === "welcome" ? welcome.conversation : staged?.stage.conversation;
      if (conversation === undefined || since > scheduler.now) continue;
      oracle.memberships.because(owner, conversation, "welcomeExpired", since);
    }
  }
}
