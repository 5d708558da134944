/** Bundles the page for the browser: from the sources, whenever it is loaded. */
import { dirname, join } from "node:path";
import { context, type Plugin } from "esbuild";

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
    plugins: [browserPlatform],
  });
  return {
    async build() {
      const { outputFiles } = await bundling.rebuild();
      return new Map(outputFiles.map(({ path, contents }) => [path.slice(pageDirectory.length + 1), contents]));
    },
    close: () => bundling.dispose(),
  };
}

/** What the client's package says to bundlers of its build (`browser`), for its sources. */
const browserPlatform: Plugin = {
  name: "browser-platform",
  setup(build) {
    build.onResolve({ filter: /\/platform\/node\.ts$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, dirname(path), "browser.ts"),
    }));
  },
};
