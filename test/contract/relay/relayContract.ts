/** All that every set of adapters of the relay's stateful ports must do. */
import { connectionsContract } from "./connectionsContract.ts";
import { directoryContract } from "./directoryContract.ts";
import { inboxContract } from "./inboxContract.ts";
import { logContract } from "./logContract.ts";
import type { MakePorts } from "./ports.ts";

export function relayContract(make: MakePorts): void {
  logContract(make);
  inboxContract(make);
  directoryContract(make);
  connectionsContract(make);
}
