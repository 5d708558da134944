/** The command: `npx tsx local/src/main.ts --assembly cdk.out --env TACIT_OIDC_ISSUER={issuer}`. */
import { parseArgs } from "node:util";
import { startLocalCloud } from "./localCloud.ts";
import { LocalCloudError } from "./localCloudError.ts";

const USAGE = `Hosts a synthesised assembly on this machine.

  --assembly DIR     what "cdk synth" wrote (default: cdk.out)
  --data DIR         where data is kept (default: in memory)
  --port N           port to listen on (default: any free one)
  --env NAME=VALUE   replaces an environment variable of the functions that have it;
                     {issuer} and {address} stand for those of the local cloud
  --logs             prints what functions write
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      assembly: { type: "string", default: "cdk.out" },
      data: { type: "string" },
      port: { type: "string", default: "0" },
      env: { type: "string", multiple: true, default: [] },
      logs: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const cloud = await startLocalCloud({
    assembly: values.assembly,
    port: Number(values.port),
    environment: (known) => Object.fromEntries(values.env.map((text) => parseVariable(text, known))),
    ...(values.data !== undefined && { dataDir: values.data }),
    ...(values.logs && { onLog: (name: string, text: string) => process.stdout.write(`${name}  ${text}`) }),
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void cloud.close());
  console.log(`socket   ${cloud.url}\nissuer   ${cloud.issuer}\nservices ${cloud.address}`);
  for (const [name, value] of Object.entries(cloud.environment)) console.log(`replaced ${name}=${value}`);
}

function parseVariable(
  text: string,
  known: { readonly address: string; readonly issuer: string },
): readonly [string, string] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new LocalCloudError(`--env ${text}: NAME=VALUE is expected`);
  const value = text
    .slice(equals + 1)
    .replaceAll("{issuer}", known.issuer)
    .replaceAll("{address}", known.address);
  return [text.slice(0, equals), value];
}

main().catch((error: unknown) => {
  console.error(error instanceof LocalCloudError ? error.message : error);
  process.exitCode = 1;
});
