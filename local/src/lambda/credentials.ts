/** Temporary credentials, one set per execution environment, as Lambda hands them out: they name role and sandbox. */
import { randomBytes } from "node:crypto";
import type { Caller } from "../iam/accessControl.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** The execution environment that holds a set of credentials. */
export interface Sandbox {
  readonly caller: Caller;
  readonly credentials: Credentials;
  /** The invocation in progress, with the number of calls that it made so far. */
  invocation: { readonly requestId: string; calls: number } | null;
  kill(): void;
}

export interface CredentialStore {
  issue(): Credentials;
  register(sandbox: Sandbox): void;
  /** Stays known after the sandbox is gone: URLs that it signed outlive it. */
  find(accessKeyId: string): Sandbox | null;
}

export function createCredentialStore(): CredentialStore {
  const sandboxes = new Map<string, Sandbox>();
  return {
    issue: () => ({
      accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64url"),
      sessionToken: randomBytes(48).toString("base64"),
    }),
    register: (sandbox) => void sandboxes.set(sandbox.credentials.accessKeyId, sandbox),
    find: (accessKeyId) => sandboxes.get(accessKeyId) ?? null,
  };
}
