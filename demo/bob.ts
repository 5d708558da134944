/** Starts Bob's process, and talks with it. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BobConfig, FromBob, ToBob } from "./bobMessages.ts";
import { createReader, type Reader } from "./reader.ts";

export type Bob = {
  readonly reader: Reader;
  /** Connected, and ready to be written to. */
  ready(): Promise<void>;
  /** Resolves when the text is durable on Bob's device. */
  send(text: string): Promise<void>;
  /** Resolves when nothing waits any more, in or out. */
  finish(): Promise<void>;
  /** Ends the process as a power cut would. */
  kill(): Promise<void>;
};

const program = join(dirname(fileURLToPath(import.meta.url)), "bobProcess.ts");
/** Milliseconds that Bob may take for anything. */
const patience = 20_000;

/** Inherits the loader that runs TypeScript from this process. */
export function startBob(config: BobConfig, token: () => Promise<string>): Bob {
  const child = fork(program, [JSON.stringify(config)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const reader = createReader("Bob");
  const said: FromBob["type"][] = [];
  const waiting = new Set<() => void>();
  let failure: Error | undefined;

  function fail(error: Error): void {
    failure ??= error;
    reader.fail(failure);
    for (const check of waiting) check();
  }

  child.on("message", (message: FromBob) => {
    switch (message.type) {
      case "tokenPlease":
        return void token().then((issued) => tell({ type: "token", token: issued }), fail);
      case "failed":
        return fail(new Error(`Bob: ${message.reason}`));
      case "read":
        return reader.take(message.line);
      case "ready":
      case "queued":
      case "finished":
        said.push(message.type);
        for (const check of waiting) check();
    }
  });
  child.on("error", fail);
  child.on("exit", (code, signal) => fail(new Error(`Bob's process ended (${signal ?? `exit code ${code}`})`)));

  function tell(message: ToBob): void {
    if (child.connected) child.send(message);
  }

  /** Until Bob has said one more of `type` than `before`. */
  function hear(type: FromBob["type"], before: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        waiting.delete(check);
        settle();
      };
      const check = () => {
        const { length } = said.filter((other) => other === type);
        if (length > before) end(resolve);
        else if (failure !== undefined) end(() => reject(failure));
      };
      const timer = setTimeout(() => end(() => reject(new Error(`Bob did not say "${type}" in time`))), patience);
      waiting.add(check);
      check();
    });
  }

  function ask(message: ToBob, answer: FromBob["type"]): Promise<void> {
    const before = said.filter((type) => type === answer).length;
    tell(message);
    return hear(answer, before);
  }

  return {
    reader,
    ready: () => hear("ready", 0),
    send: (text) => ask({ type: "send", text }, "queued"),
    finish: () => ask({ type: "finish" }, "finished"),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
