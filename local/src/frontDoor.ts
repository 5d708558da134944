/**
 * The one address behind which every service is: it reads from a request's signature who asks which service for what,
 * checks the signature, does to the request what faults ask for, and passes it on.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import type { Caller } from "./iam/accessControl.ts";
import type { CredentialStore, Sandbox } from "./lambda/credentials.ts";
import { ServiceError, type Service, type ServiceRequest, type ServiceResponse } from "./service.ts";
import { isSignedBy, readSignature, signedAt, type Signature, type SignedRequest } from "./sigV4.ts";

const LARGEST_BODY = 64 * 1024 * 1024;
const CLOCK_SKEW_MS = 15 * 60_000;

export interface FrontDoorOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly credentials: CredentialStore;
  /** By the service name in the scope of signatures. */
  readonly services: ReadonlyMap<string, Service>;
  /** Answers what carries no signature, or returns null. */
  readonly unsigned: (request: SignedRequest) => Promise<ServiceResponse | null>;
  /** Headers that every answer to this request gets: those of CORS. */
  readonly extraHeaders: (request: SignedRequest) => Readonly<Record<string, string>>;
  /** A fault of the local cloud itself. */
  readonly onError: (error: unknown) => void;
}

export function createFrontDoor(options: FrontDoorOptions): Server {
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing, options).catch((error: unknown) => {
      options.onError(error);
      if (!outgoing.headersSent) outgoing.writeHead(500);
      outgoing.end();
    });
  });
  // A frozen function cannot notice that an idle connection was closed: it would fail on its next request.
  server.keepAliveTimeout = 0;
  return server;
}

async function handle(incoming: IncomingMessage, outgoing: ServerResponse, options: FrontDoorOptions): Promise<void> {
  const [path = "/", search = ""] = (incoming.url ?? "/").split(/\?(.*)/s, 2);
  const request: SignedRequest = {
    method: incoming.method ?? "GET",
    path,
    query: new URLSearchParams(search),
    headers: incoming.headers,
    body: await readBody(incoming),
  };
  if (!isEncoded(path)) return void outgoing.writeHead(400).end();
  const response = await answer(request, options);
  if (response === null) return void incoming.socket.destroy();
  outgoing.writeHead(response.status, {
    "x-amzn-requestid": randomUUID(),
    // SDK clients correct their clocks by it.
    date: new Date(options.clock.now()).toUTCString(),
    ...response.headers,
    ...options.extraHeaders(request),
  });
  outgoing.end(request.method === "HEAD" ? undefined : response.body);
}

/** The response, or null when the connection breaks instead. */
async function answer(request: SignedRequest, options: FrontDoorOptions): Promise<ServiceResponse | null> {
  // A browser asks before it uses a presigned URL, with the very same URL.
  const signature = request.method === "OPTIONS" ? null : readSignature(request);
  const service = options.services.get(signature?.service ?? "");
  if (!signature || !service) {
    return (
      (await options.unsigned(request)) ??
      plainError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    );
  }
  try {
    const sandbox = authenticate(request, signature, options);
    return await serve(request, signature, sandbox, service, options);
  } catch (error) {
    if (error instanceof ServiceError) return service.answerError(error);
    throw error;
  }
}

function authenticate(request: SignedRequest, signature: Signature, { credentials, clock }: FrontDoorOptions): Sandbox {
  const sandbox = credentials.find(signature.accessKeyId);
  const own = sandbox?.credentials;
  if (!sandbox || !own || own.sessionToken !== signature.sessionToken) {
    throw new ServiceError(
      403,
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    );
  }
  if (!isSignedBy(own.secretAccessKey, request, signature)) {
    throw new ServiceError(
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided.",
    );
  }
  const age = clock.now() - signedAt(signature);
  if (signature.expires !== null && age > signature.expires * 1000) {
    throw new ServiceError(403, "AccessDenied", "Request has expired");
  }
  if (signature.expires === null && Math.abs(age) > CLOCK_SKEW_MS) {
    throw new ServiceError(
      403,
      "RequestTimeTooSkewed",
      "The difference between the request time and the current time is too large.",
    );
  }
  return sandbox;
}

async function serve(
  request: SignedRequest,
  signature: Signature,
  sandbox: Sandbox,
  service: Service,
  { faults }: FrontDoorOptions,
): Promise<ServiceResponse | null> {
  const caller: Caller = sandbox.caller;
  const presigned = signature.expires !== null;
  const serviceRequest: ServiceRequest = { ...request, caller, presigned, signedHeaders: signature.signedHeaders };
  const { operation, input } = service.read(serviceRequest);
  // Whoever uses a presigned URL is not the function that signed it.
  const invocation = presigned ? null : sandbox.invocation;
  if (invocation) invocation.calls += 1;
  const effects = faults.on({
    service: signature.service as "dynamodb",
    operation,
    function: presigned ? null : caller.functionId,
    requestId: invocation?.requestId ?? null,
    nth: invocation?.calls ?? 0,
    input,
  });
  if (effects.delay > 0) await new Promise((resolve) => setTimeout(resolve, effects.delay));
  if (effects.kill === "before") sandbox.kill();
  if (effects.kill === "before" || effects.has("loseRequest")) return null;
  if (effects.has("throttle")) throw service.throttled;
  if (effects.failure) {
    throw new ServiceError(effects.failure.statusCode, effects.failure.type, effects.failure.message ?? "injected");
  }
  const response = await service.perform(serviceRequest, operation, input, effects);
  if (effects.kill === "after") sandbox.kill();
  return effects.kill === "after" || effects.has("loseAnswer") ? null : response;
}

function isEncoded(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function plainError(status: number, type: string, message: string): ServiceResponse {
  return {
    status,
    headers: { "content-type": "application/json", "x-amzn-errortype": type },
    body: JSON.stringify({ message }),
  };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > LARGEST_BODY) throw new Error(`a request body exceeds ${LARGEST_BODY} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
