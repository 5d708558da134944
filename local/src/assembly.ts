/**
 * Reads a CDK cloud assembly (`cdk.out`): its stacks, their templates, and where on disk each asset lies.
 *
 * https://docs.aws.amazon.com/cdk/v2/guide/configure-synth.html
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { LocalCloudError } from "./localCloudError.ts";

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly Condition?: string;
  readonly DependsOn?: unknown;
}

export interface Template {
  readonly Resources?: Readonly<Record<string, TemplateResource>>;
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: unknown }>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
  readonly Mappings?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
  readonly Outputs?: Readonly<
    Record<
      string,
      { readonly Value: unknown; readonly Export?: { readonly Name: unknown }; readonly Condition?: string }
    >
  >;
}

export interface Stack {
  readonly name: string;
  readonly region: string;
  readonly account: string;
  readonly template: Template;
  /** Directory or file of an asset, by the object key that the template names. */
  readonly assets: ReadonlyMap<string, string>;
}

interface Manifest {
  readonly artifacts?: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly environment?: string;
        readonly properties?: { readonly templateFile?: string; readonly stackName?: string; readonly file?: string };
      }
    >
  >;
}

interface AssetManifest {
  readonly files?: Readonly<
    Record<
      string,
      {
        readonly source: { readonly path?: string; readonly packaging?: string };
        readonly destinations: Readonly<Record<string, { readonly objectKey: string }>>;
      }
    >
  >;
}

const DEFAULT_REGION = "us-east-1";
const LOCAL_ACCOUNT = "123456789012";

/** The stacks of the assembly in `directory`. Throws when it is not an assembly, or has nested stages. */
export function readAssembly(directory: string): readonly Stack[] {
  const root = resolve(directory);
  const manifestFile = join(root, "manifest.json");
  if (!existsSync(manifestFile)) throw new LocalCloudError(`${root} holds no manifest.json: run "cdk synth" first`);
  const artifacts = Object.entries((readJson(manifestFile) as Manifest).artifacts ?? {});
  const nested = artifacts.find(([, artifact]) => artifact.type === "cdk:cloud-assembly");
  if (nested) throw new LocalCloudError(`${nested[0]}: nested cloud assemblies are not hosted`);

  const assets = new Map<string, string>();
  for (const [, artifact] of artifacts) {
    if (artifact.type !== "cdk:asset-manifest" || artifact.properties?.file === undefined) continue;
    const manifest = readJson(join(root, artifact.properties.file)) as AssetManifest;
    for (const file of Object.values(manifest.files ?? {})) {
      if (file.source.path === undefined) continue;
      for (const { objectKey } of Object.values(file.destinations)) assets.set(objectKey, join(root, file.source.path));
    }
  }

  return artifacts.flatMap(([id, artifact]) => {
    if (artifact.type !== "aws:cloudformation:stack" || artifact.properties?.templateFile === undefined) return [];
    const [, account = "", region = ""] = /^aws:\/\/([^/]+)\/(.+)$/.exec(artifact.environment ?? "") ?? [];
    return {
      name: artifact.properties.stackName ?? id,
      account: /^\d{12}$/.test(account) ? account : LOCAL_ACCOUNT,
      region: region === "" || region === "unknown-region" ? DEFAULT_REGION : region,
      template: readJson(join(root, artifact.properties.templateFile)) as Template,
      assets,
    };
  });
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}
