/** What the parts of a conversation's work share. */
import type { ConversationDeps } from "../conversationDeps.ts";
import type { ConversationSteps } from "../conversationSteps.ts";
import type { LogReading } from "./logReading.ts";
import type { Retry } from "../../retry.ts";
import type { TurnTaking } from "./turnTaking.ts";
import type { Waiters } from "./waiters.ts";

export interface Work {
  readonly deps: ConversationDeps;
  readonly steps: ConversationSteps;
  readonly reading: LogReading;
  readonly turns: TurnTaking;
  readonly retry: Retry;
  readonly waiters: Waiters;
}
