/** Rings the doorbells that wait in the queue, slice by slice. */
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { awsBells } from "../adapters/awsBells.ts";
import { ringSlice } from "../core/ringSlice.ts";
import { needsMilliseconds, sliceOf } from "./bellEvent.ts";

const bells = awsBells();

/** What is named as failed comes again, and the others do not. */
export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const failed: string[] = [];
  for (const [index, { messageId, body }] of event.Records.entries()) {
    // The first always: a whole invocation is what a slice gets.
    const isTime = index === 0 || context.getRemainingTimeInMillis() >= needsMilliseconds;
    try {
      if (isTime) await ringSlice(bells, sliceOf(body));
      else failed.push(messageId);
    } catch (error) {
      bells.reports.unexpected(error, { operation: "ringBells", requestId: context.awsRequestId });
      failed.push(messageId);
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
