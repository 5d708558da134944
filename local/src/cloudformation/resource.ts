import type { Stack } from "../assembly.ts";
import type { Properties } from "./properties.ts";

/** One resource of a template with its evaluated properties. */
export interface Resource {
  readonly type: string;
  readonly logicalId: string;
  readonly where: string;
  readonly stack: Stack;
  readonly ref: string;
  readonly arn: string;
  /** Of a custom resource: the function that CloudFormation would ask. */
  readonly serviceToken: string | null;
  readonly properties: Properties;
}
