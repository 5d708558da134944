/** Runs the page of this benchmark in headless Chromium. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { PageOptions, PageResult } from "./page.ts";
import { chromiumPath, launchChromium } from "../chromium.ts";

const resolve = createRequire(import.meta.url).resolve;

export const noChromium =
  chromiumPath === undefined ? "Chromium left out: Debian's package chromium is not installed" : undefined;

export async function benchInChromium(
  options: PageOptions,
  progress: (text: string) => void,
): Promise<PageResult & { readonly version: string }> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("./page.ts", import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    external: ["*.wasm"],
    logLevel: "silent",
  });
  const files = new Map<string, readonly [type: string, content: Uint8Array | string]>([
    ["/", ["text/html", '<!doctype html><script type="module" src="/page.js"></script>']],
    ["/page.js", ["text/javascript", bundle.outputFiles[0]?.contents ?? ""]],
    ["/openmls.wasm", ["application/wasm", readFileSync(resolve("openmls-wasm/openmls_wasm_bg.wasm"))]],
    [
      "/matrix.wasm",
      [
        "application/wasm",
        readFileSync(
          new URL("pkg/matrix_sdk_crypto_wasm_bg.wasm", `file://${resolve("@matrix-org/matrix-sdk-crypto-wasm")}`),
        ),
      ],
    ],
  ]);
  const server = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? "") ?? [];
    // Isolated pages have a clock of 5 microseconds instead of 100.
    response.writeHead(type === undefined ? 404 : 200, {
      "content-type": type ?? "text/plain",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(content);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const failed = new Promise<never>((_, reject) => page.on("pageerror", reject));
    page.on("console", (message) => {
      if (message.type() === "log") progress(message.text());
    });
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await Promise.race([failed, page.waitForFunction("globalThis.runBench !== undefined")]);
    const result = await page.evaluate(
      (given) => (globalThis as unknown as { runBench: (options: PageOptions) => Promise<PageResult> }).runBench(given),
      options,
    );
    return { ...result, version: browser.version() };
  } finally {
    await browser.close();
    server.close();
  }
}
