/** Bundles the page for the browser: from the sources, whenever it is loaded. */
import { join } from "node:path";
import { context } from "esbuild";

export type Bundler = {
  /** File names, with their content. */
  build(): Promise<ReadonlyMap<string, Uint8Array>>;
  close(): Promise<void>;
};

export async function createBundler(pageDirectory: string): Promise<Bundler> {
  const bundling = await context({
    entryPoints: [join(pageDirectory, "app.ts"), join(pageDirectory, "style.css")],
    outdir: pageDirectory,
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: ["es2022"],
    sourcemap: "inline",
    logLevel: "silent",
  });
  return {
    async build() {
      const { outputFiles } = await bundling.rebuild();
      return new Map(outputFiles.map(({ path, contents }) => [path.slice(pageDirectory.length + 1), contents]));
    },
    close: () => bundling.dispose(),
  };
}
