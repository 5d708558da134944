/** `npm start`: the local cloud with the demo page before it, or one exchange without a browser. */
import { resolve } from "node:path";
import { help, OptionsError, parseOptions, type Options } from "./options.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  switch (options.mode) {
    case "help":
      console.log(help);
      return 0;
    case "once":
      return once(options);
    case "serve":
      return serve(options);
  }
}

async function once({ data }: Options): Promise<number> {
  const { audience, startTacitCloud } = await import("./cloud.ts");
  const { runOnce } = await import("./once.ts");
  const cloud = await startTacitCloud({
    ...(data === undefined ? {} : { dataDir: resolve(data) }),
    report: console.log,
  });
  try {
    const problems = await runOnce(cloud, audience, console.log);
    for (const problem of problems) console.error(`✗ ${problem}`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await cloud.close();
  }
}

/** Until somebody ends it. */
async function serve({ port, data }: Options): Promise<number> {
  const { audience, startTacitCloud } = await import("./cloud.ts");
  const { startDemoServer } = await import("./server.ts");
  const cloud = await startTacitCloud({
    ...(data === undefined ? {} : { dataDir: resolve(data) }),
    report: console.log,
  });
  try {
    const server = await startDemoServer({ cloud, audience, port });
    console.log(`\n  Tacit is at ${server.address}\n\n  Ctrl-C ends it.`);
    await interrupted();
    await server.close();
  } finally {
    await cloud.close();
  }
  return 0;
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

function explain(error: unknown): string {
  if (error instanceof OptionsError) return `${error.message}\n\n${help}`;
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
    return "The port is taken: name another one with --port (0 for any free one).";
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(explain(error));
    process.exitCode = error instanceof OptionsError ? 2 : 1;
  },
);
