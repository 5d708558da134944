/** Structured log lines: what failed and where, never what was sent. */
import { Logger } from "@aws-lambda-powertools/logger";
import type { Reports } from "../ports.ts";

export function logReports(serviceName: string): Reports {
  const logger = new Logger({ serviceName });
  return {
    unexpected(error, { operation, requestId }) {
      // Neither the message nor the error itself: the SDK's messages can quote what was to be stored.
      const { name, code } = nameOf(error);
      logger.error("unexpected", {
        operation,
        ...(requestId && { requestId }),
        error: name,
        ...(code && { code }),
        at: placeOf(error),
      });
    },
  };
}

function nameOf(error: unknown): { readonly name: string; readonly code: string | undefined } {
  if (!(error instanceof Error)) return { name: typeof error, code: undefined };
  const { code } = error as { readonly code?: unknown };
  return { name: error.name, code: typeof code === "string" ? code : undefined };
}

/** The frames of the stack, without its first line, which is the message. */
function placeOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  return (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 6)
    .map((line) => line.trim());
}
