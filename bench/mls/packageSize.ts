/** What a browser downloads: the whole package with the webcrypto provider, and its primitives alone. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

async function gzipped(contents: string): Promise<number> {
  const result = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL("../../mls/src", import.meta.url)), loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return gzipSync(result.outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

export async function packageSize(): Promise<{ readonly whole: number; readonly provider: number }> {
  return {
    whole: await gzipped('export * from "./index.ts"; export * from "./providers/webcrypto.ts";'),
    provider: await gzipped('export * from "./providers/webcrypto.ts";'),
  };
}
