/** The removal that a deployment asks for, in the CDK's words. */
import { RemovalPolicy } from "aws-cdk-lib";
import type { Removal } from "../config.ts";

export function removalPolicy(removal: Removal): RemovalPolicy {
  return removal === "retain" ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
}
