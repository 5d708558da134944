/** Why the local cloud cannot host an assembly: always names the resource or option at fault. */
export class LocalCloudError extends Error {
  override readonly name = "LocalCloudError";
}
