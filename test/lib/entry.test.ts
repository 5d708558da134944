/** The CDK entry as the CDK runs it: a process that reads its context from the environment. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import cdkJson from "../../cdk.json" with { type: "json" };

const repository = resolve(__dirname, "../..");
let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "tacit-synth-"));
});
afterEach(() => rm(out, { recursive: true }));

type Run = { readonly status: number; readonly stderr: string };

function run(context: Record<string, unknown>, environment: Record<string, string> = {}): Promise<Run> {
  const env = {
    PATH: process.env["PATH"],
    CDK_VALIDATION: "false",
    CDK_OUTDIR: out,
    CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:bundling-stacks": [], ...context }),
    ...environment,
  };
  const [command = "", ...args] = cdkJson.app.split(" ");
  return new Promise((done) => {
    execFile(
      join(repository, "node_modules/.bin", command),
      args,
      { cwd: repository, env },
      (error, _stdout, stderr) => {
        done({ status: typeof error?.code === "number" ? error.code : error ? -1 : 0, stderr });
      },
    );
  });
}

async function synthesised(stack: string): Promise<string> {
  return readFile(join(out, `${stack}.template.json`), "utf8");
}

test("the context of a fresh clone synthesises", async () => {
  expect(await run(cdkJson.context)).toMatchObject({ status: 0 });
  expect(await synthesised("TacitData")).toContain('"Region": "eu-central-1"');
  expect(await synthesised("TacitRelay")).toContain("https://id.example.com");
});

test("without a context it says what is missing, and no more", async () => {
  const { status, stderr } = await run({});
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^The context "tacit" \(cdk\.json\) is not a valid deployment:\n( {2}- tacit\.\S+: missing.*\n){3}$/,
  );
});

test("a named deployment lies over the common settings, and the region may come from the environment", async () => {
  const context = {
    tacit: { oidc: { issuer: "https://login.acme.com", audience: "tacit" }, limits: { claimsPerHour: 5 } },
    "tacit:staging": { name: "Staging", oidc: { issuer: "https://staging.acme.com" } },
    deployment: "staging",
  };
  expect(await run(context, { CDK_DEFAULT_REGION: "us-west-2" })).toMatchObject({ status: 0 });
  const relay = await synthesised("StagingRelay");
  expect(relay).toContain('"TACIT_OIDC_ISSUER": "https://staging.acme.com"');
  expect(relay).toContain('"TACIT_OIDC_AUDIENCE": "tacit"');
  expect(relay).toContain('"TACIT_CLAIMS_PER_HOUR": "5"');
  expect(await synthesised("StagingData")).toContain('"Region": "us-west-2"');
});

test("the command line has the last word on issuer, audience and region", async () => {
  const said = { issuer: "https://login.acme.com", audience: "chat", region: "ap-south-1" };
  expect(await run({ ...cdkJson.context, ...said })).toMatchObject({ status: 0 });
  const relay = await synthesised("TacitRelay");
  expect(relay).toContain('"TACIT_OIDC_ISSUER": "https://login.acme.com"');
  expect(relay).toContain('"TACIT_OIDC_AUDIENCE": "chat"');
  expect(await synthesised("TacitData")).toContain('"Region": "ap-south-1"');
});

test("a deployment that nothing describes is refused", async () => {
  const { status, stderr } = await run({ ...cdkJson.context, deployment: "prod" });
  expect(status).toBe(1);
  expect(stderr).toContain('no context "tacit:prod", which -c deployment asks for');
});
