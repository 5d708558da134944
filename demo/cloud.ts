/** The project's own templates, hosted on this machine: for the demo, for benchmarks and for tests. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { startLocalCloud, type LocalCloud, type LocalCloudOptions } from "@tacit/local";
import { synthesise } from "./synth.ts";

/** The `aud` of local tokens. */
export const audience = "tacit-demo";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export type TacitCloudOptions = Omit<LocalCloudOptions, "assembly" | "environment"> & {
  readonly report: (line: string) => void;
  /** Further variables of functions to replace. */
  readonly environment?: Readonly<Record<string, string>>;
};

export async function startTacitCloud({ report, environment, ...options }: TacitCloudOptions): Promise<LocalCloud> {
  return startLocalCloud({
    ...options,
    assembly: await synthesise(root, report),
    // The identity provider of a deployment is configuration: here it is the local one. Everything else stays as synthesised.
    environment: ({ issuer }) => ({ TACIT_OIDC_ISSUER: issuer, TACIT_OIDC_AUDIENCE: audience, ...environment }),
  });
}
