/** What the front door needs from a service behind it. */
import type { IncomingHttpHeaders } from "node:http";
import type { Effects } from "./faults.ts";
import type { Caller } from "./iam/accessControl.ts";

export interface ServiceRequest {
  readonly method: string;
  /** Path as sent, still encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly caller: Caller;
  /** Whether the signature came in the URL. */
  readonly presigned: boolean;
  /** Headers that the signature covers. */
  readonly signedHeaders: readonly string[];
}

export interface ServiceResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Service {
  /** Names the operation and parses its input; throws a {@link ServiceError} for what is not hosted. */
  read(request: ServiceRequest): { readonly operation: string; readonly input: unknown };
  /** Checks permissions, does it, and answers. Throws a {@link ServiceError} for every refusal. */
  perform(request: ServiceRequest, operation: string, input: unknown, effects: Effects): Promise<ServiceResponse>;
  /** How this service writes an error. */
  answerError(error: ServiceError): ServiceResponse;
  readonly throttled: ServiceError;
}

/** A refusal in terms of all services; each spells it in its own way. */
export class ServiceError extends Error {
  readonly statusCode: number;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(statusCode: number, type: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.statusCode = statusCode;
    this.type = type;
    this.details = details;
  }
}

export function jsonResponse(status: number, contentType: string, body: unknown): ServiceResponse {
  return { status, headers: { "content-type": contentType }, body: JSON.stringify(body) };
}
