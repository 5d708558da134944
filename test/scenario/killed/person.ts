/** Starts somebody's process, kills it, starts it again. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { FromChatterer, Orders, ToChatterer } from "./messages.ts";

const program = join(__dirname, "chatterer.ts");
/** Milliseconds that an answer may take: the machine is busy. */
const patience = 120_000;

export interface Person {
  readonly account: string;
  /** Texts whose `send` resolved, in order. */
  readonly promised: readonly string[];
  /** What it had to say besides. */
  readonly noted: readonly string[];
  start(): Promise<void>;
  /** As a power cut would. */
  kill(): Promise<void>;
  tell(message: ToChatterer): void;
  /** The next answer of that type. */
  hear<T extends FromChatterer["type"]>(type: T): Promise<Extract<FromChatterer, { type: T }>>;
}

export function person(orders: Orders, token: () => Promise<string>): Person {
  const promised: string[] = [];
  const noted: string[] = [];
  const waiting: { readonly type: string; readonly resolve: (message: FromChatterer) => void }[] = [];
  let child: ChildProcess | undefined;

  function receive(message: FromChatterer): void {
    if (message.type === "tokenPlease") void token().then((issued) => self.tell({ type: "token", token: issued }));
    if (message.type === "promised") promised.push(message.text);
    if (message.type === "noted") noted.push(message.text);
    const at = waiting.findIndex(({ type }) => type === message.type);
    if (at >= 0) waiting.splice(at, 1)[0]!.resolve(message);
  }

  const self: Person = {
    account: orders.account,
    promised,
    noted,
    async start() {
      const ready = self.hear("ready");
      child = fork(program, [JSON.stringify(orders)], {
        execArgv: ["--import", "tsx"],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      child.on("message", receive);
      await ready;
    },
    async kill() {
      const killed = child;
      child = undefined;
      if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
      const exited = once(killed, "exit");
      killed.kill("SIGKILL");
      await exited;
    },
    tell(message) {
      if (child?.connected === true) child.send(message);
    },
    hear(type) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${orders.account} did not say "${type}" in time; noted: ${noted.join("; ")}`)),
          patience,
        );
        waiting.push({
          type,
          resolve(message) {
            clearTimeout(timer);
            resolve(message as Extract<FromChatterer, { type: typeof type }>);
          },
        });
      });
    },
  };
  return self;
}
