/** The cloud of the demo: the project's own templates, hosted on this machine. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startLocalCloud, type LocalCloud } from "@tacit/local";
import { synthesise } from "./synth.ts";

/** The `aud` of the demo's tokens. */
export const audience = "tacit-demo";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export type DemoCloudOptions = {
  /** Where data is kept. Absent: in memory. */
  readonly data?: string;
  readonly report: (line: string) => void;
};

export async function startDemoCloud({ data, report }: DemoCloudOptions): Promise<LocalCloud> {
  return startLocalCloud({
    assembly: await synthesise(root, report),
    ...(data === undefined ? {} : { dataDir: resolve(data) }),
    // The identity provider of the deployment is configuration: here it is the local one. Everything else stays as synthesised.
    environment: ({ issuer }) => ({ TACIT_OIDC_ISSUER: issuer, TACIT_OIDC_AUDIENCE: audience }),
  });
}
