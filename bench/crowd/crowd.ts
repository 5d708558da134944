/** Many devices, in a few processes beside the one that hosts the cloud: the lead's device in one of its own. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Order, OrderNamed, Times } from "./orders.ts";

export interface Crowd {
  /** All accounts; the first one leads. */
  readonly accounts: readonly string[];
  /** To the process that holds `account`. */
  tell<O extends Order["do"]>(account: string, order: OrderNamed<O>): Promise<Answer<O>>;
  /** To all processes. */
  tellAll<O extends Order["do"]>(order: OrderNamed<O>): Promise<readonly Answer<O>[]>;
  /** Registers a device for each, in the process that has the fewest, or in one of its own. */
  arrive(newcomers: readonly string[], apart?: boolean): Promise<void>;
  close(): void;
}

export interface CrowdOptions {
  readonly url: string;
  readonly suite: number;
  readonly token: (account: string) => Promise<string>;
  /** Processes beside the lead's. */
  readonly processes: number;
  /** How many times longer the devices wait for answers. Default: 1. */
  readonly patience?: number;
  /** Requests that the devices of one process have open at a time. Default: any number. */
  readonly atOnce?: number;
  /** Passed to node, e.g. `--cpu-prof`. */
  readonly execArgv?: readonly string[];
}

interface Process {
  readonly child: ChildProcess;
  devices: number;
  readonly isApart: boolean;
  readonly tell: <O extends Order["do"]>(order: OrderNamed<O>) => Promise<Answer<O>>;
}

/** Megabytes of JavaScript objects of one process; buffers are not among them. */
const heap = 6_000;

/**
 * Of so many devices on one machine: or all of them would take a relay that they share its processors with for gone, and come back at once,
 * which it would have to serve too.
 */
export function patienceOf(devices: number): number {
  return Math.max(1, Math.ceil(devices / 25));
}

export function gather({ url, suite, token, processes, patience = 1, atOnce, execArgv = [] }: CrowdOptions): Crowd {
  const accounts: string[] = [];
  const homes = new Map<string, Process>();
  const all: Process[] = [];
  const start = (isApart: boolean): Process => {
    const started = startProcess(isApart, execArgv);
    all.push(started);
    return started;
  };
  const shared = Array.from({ length: processes }, () => start(false));

  return {
    accounts,
    async arrive(newcomers, apart = false) {
      const lone = apart ? start(true) : undefined;
      const groups = new Map<Process, { account: string; token: string }[]>();
      for (const account of newcomers) {
        const home = lone ?? shared.reduce((least, each) => (each.devices < least.devices ? each : least));
        home.devices++;
        homes.set(account, home);
        accounts.push(account);
        groups.set(home, [...(groups.get(home) ?? []), { account, token: await token(account) }]);
      }
      await Promise.all(
        [...groups].map(([home, devices]) => home.tell({ do: "arrive", url, suite, patience, atOnce, devices })),
      );
    },
    tell(account, order) {
      const home = homes.get(account);
      if (home === undefined) throw new Error(`${account} has no process`);
      return home.tell(order);
    },
    tellAll: (order) => Promise.all(all.map(({ tell }) => tell(order))),
    close() {
      // They end with that, and write what they profiled.
      for (const { child } of all) if (child.connected) child.disconnect();
    },
  };
}

function startProcess(isApart: boolean, execArgv: readonly string[]): Process {
  const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), {
    execArgv: ["--import", "tsx", `--max-old-space-size=${heap}`, ...execArgv],
    serialization: "advanced",
  });
  const open = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  let count = 0;
  child.on("message", ({ id, result, error }: { id: number; result: never; error?: string }) => {
    const waiting = open.get(id);
    open.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  });
  child.on("exit", (code) => {
    for (const { reject } of open.values()) reject(new Error(`a process of devices ended (${code ?? "killed"})`));
  });
  return {
    child,
    devices: 0,
    isApart,
    tell: (order) =>
      new Promise((resolve, reject) => {
        const id = count++;
        open.set(id, { resolve, reject });
        child.send({ id, order });
      }),
  };
}

/** The answers of all processes as one. */
export function together(times: readonly Times[]): Times {
  return Object.assign({}, ...times) as Times;
}
