/** `@tacit/local`: hosts `cdk.out` on this machine, for development and tests. */
export { startLocalCloud } from "./localCloud.ts";
export type {
  ItemWrite,
  LocalCloud,
  LocalCloudOptions,
  StoredItem,
  StoredObject,
  StoredQueue,
  StoredTable,
} from "./localCloud.ts";
export { LocalCloudError } from "./localCloudError.ts";
export { price, usageBetween } from "./meter.ts";
export type { MeterSnapshot, OperationUsage, Usage } from "./meter.ts";
export type { Call, Effect, Fault, Faults, InjectedFault } from "./faults.ts";
export type { Denial, Grant } from "./iam/accessControl.ts";
export type { Frame } from "./gateway/webSocketGateway.ts";
export type { TokenRequest } from "./oidc.ts";
