/** A relay that shows people different accounts, as the application is told. */
import type { Signed } from "@tacit/protocol";
import type { RecordEvidence } from "../session/identity/receipt.ts";

/** The relay showed two records of one version of an account: to this device, or to it and a device of that account. */
export interface RelayEquivocation {
  readonly account: string;
  readonly version: number;
  /** The relay's receipt for the record that this device was shown. Whoever was shown the other one has the second half of the proof. */
  readonly receipt?: Signed;
  /** Where both receipts are here: proof for anybody who knows the deployment's receipt key. */
  readonly evidence?: RecordEvidence;
}

export function equivocation(
  account: string,
  version: number,
  receipt: Signed | undefined,
  evidence: RecordEvidence | undefined,
): RelayEquivocation {
  return {
    account,
    version,
    ...(receipt === undefined ? {} : { receipt }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}
