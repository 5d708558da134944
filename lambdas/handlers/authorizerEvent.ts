/** The authorizer's request and answer, as API Gateway has them. */
import type { APIGatewayAuthorizerResult, APIGatewayRequestAuthorizerEvent } from "aws-lambda";
import type { Admission } from "../core/admit.ts";

/** The value of `Sec-WebSocket-Protocol`; names of headers come in any case. A list may be spread over several lines. */
export function protocolsOf({ headers, multiValueHeaders }: APIGatewayRequestAuthorizerEvent): string {
  const isIt = ([name]: [string, unknown]): boolean => name.toLowerCase() === "sec-websocket-protocol";
  const lines = Object.entries(multiValueHeaders ?? {}).find(isIt)?.[1];
  return lines?.join(",") ?? Object.entries(headers ?? {}).find(isIt)?.[1] ?? "";
}

/** API Gateway answers this message with 401, any other error with 500, and a Deny with 403. */
export const unauthorized = "Unauthorized";

export function policyOf(methodArn: string, admission: Admission): APIGatewayAuthorizerResult {
  if (admission.kind === "unauthorized") throw new Error(unauthorized);
  if (admission.kind === "denied") return { principalId: "nobody", policyDocument: policy("Deny", methodArn) };
  const { account, device, scope, expires, reason } = admission;
  return {
    principalId: device,
    policyDocument: policy("Allow", methodArn),
    context: { account, device, scope, expires: String(expires), ...(reason && { reason }) },
  };
}

function policy(effect: "Allow" | "Deny", methodArn: string): APIGatewayAuthorizerResult["policyDocument"] {
  return {
    Version: "2012-10-17",
    Statement: [{ Action: "execute-api:Invoke", Effect: effect, Resource: methodArn }],
  };
}
