/** All that every set of adapters of the relay's stateful ports must do. */
import { connectionsContract } from "./connectionsContract.ts";
import { directoryContract } from "./directoryContract.ts";
import { inboxContract } from "./inboxContract.ts";
import { logContract } from "./logContract.ts";
import { stagesContract } from "./stagesContract.ts";
import type { MakePorts } from "./ports.ts";

export function relayContract(make: MakePorts): void {
  logContract(make);
  inboxContract(make);
  stagesContract(make);
  directoryContract(make);
  connectionsContract(make);
}
