/** The project's own stacks on the local cloud, which issues the tokens too. */
import type { LocalCloud } from "@tacit/local";
import { audience as localAudience, startTacitCloud, type TacitCloudOptions } from "../demo/cloud.ts";

export interface LocalTacit extends LocalCloud {
  /** A token of the development issuer. `expiresIn` in seconds; an hour unless said. */
  readonly token: (
    account: string,
    more?: { readonly expiresIn?: number; readonly audience?: string },
  ) => Promise<string>;
}

export async function startLocalTacit(options: Partial<TacitCloudOptions> = {}): Promise<LocalTacit> {
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  const cloud = await startTacitCloud({
    report: write,
    // What functions log, for whoever looks for a fault.
    ...(process.env["TACIT_LOGS"] ? { onLog: (name: string, line: string) => write(`${name}: ${line}`) } : {}),
    ...options,
  });
  return {
    ...cloud,
    token: (account, more) => cloud.issueToken({ sub: account, audience: localAudience, ...more }),
  };
}
