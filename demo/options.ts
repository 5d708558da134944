/** The command line of `npm start`. */
import { parseArgs } from "node:util";

export type Options = {
  readonly mode: "serve" | "once" | "help";
  /** 0 for any free one. */
  readonly port: number;
  /** Where the local cloud keeps its data. Absent: in memory. */
  readonly data?: string;
};

export const defaultPort = 4680;

export const help = `Tacit on this machine: the very templates that deploy, hosted locally.

  npm start                    serve the demo page; Ctrl-C ends it
  npm start -- --once          no browser: two devices, twenty messages, one crash; then a report

Options
  --port PORT    port of the demo page (default ${defaultPort}; 0 for any free one)
  --data DIR     keep the cloud's tables and blobs in DIR (default: in memory)
  --once         run the exchange once and exit: 0 if every message arrived exactly once, in order
  --help         this text
`;

/** A command line that makes no sense. */
export class OptionsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "OptionsError";
  }
}

/** Throws an `OptionsError`. */
export function parseOptions(args: readonly string[]): Options {
  const values = parseValues(args);
  const port = values.port === undefined ? defaultPort : Number(values.port);
  if (values.port === "" || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new OptionsError(`--port: ${JSON.stringify(values.port)} is not a port (0 to 65535)`);
  }
  if (values.data === "") throw new OptionsError("--data: names no directory");
  if (values.once === true && values.port !== undefined) {
    throw new OptionsError("--port: --once serves no page");
  }
  return {
    mode: values.help === true ? "help" : values.once === true ? "once" : "serve",
    port,
    ...(values.data === undefined ? {} : { data: values.data }),
  };
}

function parseValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string" },
        data: { type: "string" },
        once: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    // Node's own message names the option that it does not know.
    throw new OptionsError(error instanceof Error ? error.message : String(error));
  }
}
