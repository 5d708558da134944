/** A table that is billed by request, expires items by `ttl`, restores to any second, and is encrypted under the data key. */
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from "aws-cdk-lib/aws-dynamodb";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import type { Removal } from "../config.ts";
import type { DataKey } from "./dataKey.ts";
import { removalPolicy } from "./removalPolicy.ts";

/** The item operations that a function can be granted. A transaction has no action of its own: it needs those of its parts. */
export type TableAction =
  | "BatchGetItem"
  | "BatchWriteItem"
  | "ConditionCheckItem"
  | "DeleteItem"
  | "GetItem"
  | "PutItem"
  | "Query"
  | "UpdateItem";

export type DataTableProps = {
  readonly key: DataKey;
  readonly removal: Removal;
  readonly partition: string;
  readonly sort?: { readonly name: string; readonly type: "string" | "number" };
  /** Environment variable that carries the table's name to a function. */
  readonly variable: string;
};

export class DataTable extends Construct {
  readonly #table: TableV2;
  readonly #props: DataTableProps;

  constructor(scope: Construct, id: string, props: DataTableProps) {
    super(scope, id);
    this.#props = props;
    const { sort } = props;
    this.#table = new TableV2(this, "Table", {
      partitionKey: { name: props.partition, type: AttributeType.STRING },
      ...(sort && {
        sortKey: { name: sort.name, type: sort.type === "number" ? AttributeType.NUMBER : AttributeType.STRING },
      }),
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.customerManagedKey(props.key.key),
      timeToLiveAttribute: "ttl",
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: props.removal === "retain",
      removalPolicy: removalPolicy(props.removal),
    });
  }

  /** Lets the function do exactly these operations, and tells it the table's name. */
  grant(fn: LambdaFunction, actions: readonly TableAction[]): void {
    fn.addToRolePolicy(
      new PolicyStatement({
        sid: `${this.node.id}Table`,
        actions: actions.map((action) => `dynamodb:${action}`),
        resources: [this.#table.tableArn],
      }),
    );
    this.#props.key.grantThroughDynamoDb(fn);
    fn.addEnvironment(this.#props.variable, this.#table.tableName);
  }
}
