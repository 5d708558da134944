import { memoryPorts } from "../support/memoryPorts.ts";
import { relayContract } from "./relay/relayContract.ts";

relayContract(() => memoryPorts({ now: () => 0 }).ports);
