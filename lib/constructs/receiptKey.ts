/**
 * The key that signs receipts of account records: Ed25519, made in KMS and never outside of it. Clients pin its public half for the
 * deployment, so it is kept like the data: another key would look like a relay that lies.
 */
import { Duration } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Key, KeySpec, KeyUsage } from "aws-cdk-lib/aws-kms";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { env } from "../../lambdas/env.ts";
import type { Removal } from "../config.ts";
import { removalPolicy } from "./removalPolicy.ts";

export type ReceiptKeyProps = { readonly removal: Removal };

/** Pure Ed25519 of RFC 8032; the key could also sign hashes (ED25519_PH_SHA_512), which no client accepts. */
const signingAlgorithm = "ED25519_SHA_512";

export class ReceiptKey extends Construct {
  readonly #key: Key;

  constructor(scope: Construct, id: string, props: ReceiptKeyProps) {
    super(scope, id);
    this.#key = new Key(this, "Key", {
      description: "Signs receipts of account records of Tacit",
      keySpec: KeySpec.ECC_NIST_EDWARDS25519,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: removalPolicy(props.removal),
      pendingWindow: Duration.days(props.removal === "retain" ? 30 : 7),
    });
  }

  get keyId(): string {
    return this.#key.keyId;
  }

  /** Lets the function sign receipts and ask for the public key, and tells it which key it is. */
  grantSign(fn: LambdaFunction): void {
    const resources = [this.#key.keyArn];
    fn.addToRolePolicy(
      new PolicyStatement({
        sid: "SignReceipts",
        actions: ["kms:Sign"],
        resources,
        conditions: { StringEquals: { "kms:SigningAlgorithm": signingAlgorithm } },
      }),
    );
    // A statement of its own: a request for the public key names no algorithm.
    fn.addToRolePolicy(new PolicyStatement({ sid: "ReceiptKey", actions: ["kms:GetPublicKey"], resources }));
    fn.addEnvironment(env.receiptKeyId, this.#key.keyId);
  }
}
