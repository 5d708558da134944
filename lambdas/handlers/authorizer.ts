/** Decides who may connect, and as what. */
import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent, Context } from "aws-lambda";
import { awsGate } from "../adapters/awsGate.ts";
import { logReports } from "../adapters/logReports.ts";
import { admit, type Admission } from "../core/admit.ts";
import { policyOf, protocolsOf } from "./authorizerEvent.ts";

const gate = awsGate();
const reports = logReports("authorizer");

export async function handler(
  event: APIGatewayRequestAuthorizerEvent,
  context: Context,
): Promise<APIGatewayAuthorizerResult> {
  let admission: Admission;
  try {
    admission = await admit(gate, protocolsOf(event));
  } catch (error) {
    reports.unexpected(error, { operation: "connect", requestId: context.awsRequestId });
    // API Gateway answers 500. The message goes to the platform's log.
    throw new Error("authorizer failed");
  }
  return policyOf(event.methodArn, admission);
}
