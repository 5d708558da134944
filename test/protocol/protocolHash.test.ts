/** Breaks when the wire changes: raise the version (src/version.ts) or confirm that the change is an addition to answers. */
import { createHash } from "node:crypto";
import * as protocol from "@tacit/protocol";
import { byePush } from "../../protocol/src/pushes/bye.ts";
import { entriesPush } from "../../protocol/src/pushes/entries.ts";
import { inboxPush } from "../../protocol/src/pushes/inbox.ts";
import { signalPush } from "../../protocol/src/pushes/signal.ts";

/** A schema as plain data: types, options and requirements, without functions. */
function describeSchema(value: unknown): unknown {
  if (value instanceof RegExp) return String(value);
  if (Array.isArray(value)) return value.map(describeSchema);
  if (typeof value !== "object" || value === null) return typeof value === "function" ? undefined : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !key.startsWith("~"))
      .map(([key, inner]) => [key, describeSchema(inner)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function wire(): string {
  return JSON.stringify(
    describeSchema({
      version: protocol.protocolVersion,
      subprotocol: protocol.subprotocol,
      operations: protocol.operations,
      pushes: [entriesPush, inboxPush, signalPush, byePush],
      refusal: protocol.refusal,
      codes: protocol.errorCodes,
      limits: protocol.limits,
      accounts: [protocol.accountRecord, protocol.signedAccountRecord, protocol.deviceCertificate],
      labels: [
        protocol.accountRecordLabel,
        protocol.deviceCertificateLabel,
        protocol.accountRotationLabel,
        protocol.recordReceiptLabel,
      ],
      receipts: [protocol.recordReceipt, protocol.signedRecordReceipt],
      proof: [protocol.proofHeader, protocol.proofClaims],
    }),
  );
}

test("the wire of version 1 is unchanged", () => {
  expect(protocol.protocolVersion).toBe(1);
  expect(createHash("sha256").update(wire()).digest("hex")).toBe(
    "24ed5b77bf7db6983368d0d75c13c26d65b206f8310edee39115a5b85f3d4f41",
  );
});

test("the hash reaches into pipes and checks", () => {
  expect(wire().includes('"requirement":21846')).toBe(true); // the longest inline payload
  expect(wire().includes("16 to 16 bytes")).toBe(true);
});
