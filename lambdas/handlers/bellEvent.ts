/** A slice of doorbells, as it lies in the queue. The relay alone can put one there; what is no slice is a fault of the deployment. */
import type { BellSlice, BellTarget } from "../ports.ts";

/** Milliseconds that a slice takes where every post hangs until it is given up, and some to spare. */
export const needsMilliseconds = 12_000;

/** @throws Error that quotes nothing of what was sent */
export function sliceOf(body: string): BellSlice {
  const value = parse(body);
  if (!isSlice(value)) throw new Error("not a slice of doorbells");
  return value;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Its message would quote what it met.
    return undefined;
  }
}

function isSlice(value: unknown): value is BellSlice {
  return (
    isObject(value) &&
    isText(value["conversation"]) &&
    isNumber(value["seq"]) &&
    isNumber(value["at"]) &&
    isText(value["frame"]) &&
    (value["coalesceUntil"] === undefined || isNumber(value["coalesceUntil"])) &&
    Array.isArray(value["targets"]) &&
    value["targets"].every(isTarget)
  );
}

function isTarget(value: unknown): value is BellTarget {
  return (
    isObject(value) &&
    isText(value["account"]) &&
    isText(value["device"]) &&
    isText(value["connection"]) &&
    isNumber(value["lease"]) &&
    (value["inbox"] === undefined || value["inbox"] === true)
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
