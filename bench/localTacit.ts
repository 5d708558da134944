/** The project's own stacks on the local cloud, which issues the tokens too. */
import { join } from "node:path";
import { startLocalCloud, type LocalCloud, type LocalCloudOptions } from "@tacit/local";
import { synthesise } from "../demo/synth.ts";

export const root = join(import.meta.dirname, "..");

/** The audience that cdk.json configures. */
const audience = "tacit";

export interface LocalTacit extends LocalCloud {
  /** A token of the development issuer. `expiresIn` in seconds; an hour unless said. */
  readonly token: (
    account: string,
    more?: { readonly expiresIn?: number; readonly audience?: string },
  ) => Promise<string>;
}

export async function startLocalTacit(options: LocalCloudOptions = {}): Promise<LocalTacit> {
  const cloud = await startLocalCloud({
    assembly: await synthesise(root, (line) => process.stderr.write(`${line}\n`)),
    environment: ({ issuer }) => ({ TACIT_OIDC_ISSUER: issuer }),
    // What functions log, for whoever looks for a fault.
    ...(process.env["TACIT_LOGS"]
      ? { onLog: (name: string, line: string) => process.stderr.write(`${name}: ${line}\n`) }
      : {}),
    ...options,
  });
  return { ...cloud, token: (account, more) => cloud.issueToken({ sub: account, audience, ...more }) };
}
