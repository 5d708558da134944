/** The relay's own rules behind a Transport, in this process: sockets without a network, tables in memory. */
import type { BlobTransfer, Clock, Transport } from "@tacit/client";
import { subprotocol } from "@tacit/protocol";
import { createHash } from "node:crypto";
import { nodeVerify } from "../../../lambdas/adapters/nodeCrypto.ts";
import { admit, type Admission } from "../../../lambdas/core/admit.ts";
import type { Caller } from "../../../lambdas/core/caller.ts";
import { answerFrame } from "../../../lambdas/core/dispatch.ts";
import { forget } from "../../../lambdas/core/forget.ts";
import { placeEntry } from "../../../lambdas/core/placeEntry.ts";
import type { Relay } from "../../../lambdas/core/relay.ts";
import { memoryPorts, type MemoryTables } from "../../support/memoryPorts.ts";

export interface FrameOnItsWay {
  readonly direction: "up" | "down";
  readonly account: string;
  readonly connection: string;
  /** Puts another frame in its way to the client. */
  readonly deliver: (text: string) => void;
  readonly frame: { readonly op?: string; readonly push?: string; readonly [field: string]: unknown };
}

export interface InProcessRelay {
  readonly url: string;
  readonly transport: Transport;
  readonly blobs: BlobTransfer;
  readonly tables: MemoryTables;
  readonly token: (account: string, lifetime?: number) => () => string;
  /** Failures that the relay reported; a test expects none. */
  readonly unexpected: readonly unknown[];
  /** Decides on each frame: false loses it. */
  filter: (frame: FrameOnItsWay) => boolean;
  /** False: new sockets do not open. */
  reachable: boolean;
  /** False: sockets that the relay closes stay open, as if the platform had not done it yet. */
  closesSockets: boolean;
  /** Breaks all sockets of `account`, as a network would. */
  cut(account?: string): void;
  /** Pushes a frame to all sockets of `account`, as a relay may that follows no rules. */
  push(account: string, frame: object): void;
  readonly sockets: number;
}

const url = "wss://relay.test/v1";
const issuer = "https://issuer.test";

export function inProcessRelay(clock: Clock, options: { readonly now?: () => number } = {}): InProcessRelay {
  const now = options.now ?? (() => clock.now());
  const memory = memoryPorts({ now });
  const live = new Map<string, { readonly account: string; deliver(text: string): void; end(code: number): void }>();
  const bodies = new Map<string, Uint8Array>();
  let connections = 0;

  const self = {
    url,
    tables: memory.tables,
    unexpected: memory.unexpected,
    filter: (() => true) as (frame: FrameOnItsWay) => boolean,
    reachable: true,
    closesSockets: true,
    token: (account: string, lifetime = 86_400_000) => {
      return () => Buffer.from(JSON.stringify({ account, exp: (now() + lifetime) / 1000 })).toString("base64url");
    },
    cut(account?: string) {
      for (const socket of [...live.values()])
        if (account === undefined || socket.account === account) socket.end(1006);
    },
    push(account: string, frame: object) {
      for (const socket of live.values()) if (socket.account === account) socket.deliver(JSON.stringify(frame));
    },
    get sockets() {
      return live.size;
    },
  };

  const relay: Relay = {
    ...memory.ports,
    sockets: {
      async post(connection, frame) {
        const socket = live.get(connection);
        if (socket === undefined) return "gone";
        socket.deliver(frame);
        return "sent";
      },
      async close(connection) {
        if (self.closesSockets) live.get(connection)?.end(1000);
      },
    },
    blocked: new Map(),
    place: placeEntry,
  };
  const gate = {
    tokens: {
      async open(token: string) {
        const { account, exp } = JSON.parse(Buffer.from(token, "base64url").toString()) as {
          account: string;
          exp: number;
        };
        return { iss: issuer, aud: "tacit", sub: account, exp };
      },
    },
    proofs: memory.ports.proofs,
    directory: memory.ports.directory,
    verify: nodeVerify,
    clock: memory.ports.clock,
    issuer,
    audience: "tacit",
    accountClaim: "sub",
    socketUrl: url,
  };

  const transport: Transport = {
    open(_address, protocols, events) {
      const connection = `connection-${String(++connections).padStart(6, "0")}`;
      let state: "opening" | "open" | "closed" = "opening";
      let admission: Extract<Admission, { kind: "admitted" }> | undefined;
      const connectedAt = now();

      function end(code: number): void {
        if (state === "closed") return;
        state = "closed";
        live.delete(connection);
        if (admission !== undefined) void forget(memory.ports.connections, { ...admission, connection });
        queueMicrotask(() => events.closed(code));
      }
      function deliver(text: string): void {
        const account = admission?.account ?? "";
        const frame = JSON.parse(text) as FrameOnItsWay["frame"];
        if (self.filter({ direction: "down", account, connection, frame, deliver: pass })) pass(text);
      }
      function pass(text: string): void {
        queueMicrotask(() => {
          if (state === "open") events.message(text);
        });
      }

      void (async () => {
        if (!self.reachable || protocols[0] !== subprotocol) return end(1006);
        const judged = await admit(gate, protocols.join(", "));
        if (judged.kind !== "admitted" || state !== "opening") return end(1006);
        admission = judged;
        state = "open";
        live.set(connection, { account: judged.account, deliver, end });
        events.opened();
      })();

      return {
        send(text) {
          if (state !== "open" || admission === undefined) return;
          const { account, device, scope, reason, expires } = admission;
          const frame = JSON.parse(text) as FrameOnItsWay["frame"];
          if (!self.filter({ direction: "up", account, connection, frame, deliver: pass })) return;
          const requestId = createHash("sha256").update(text).digest("hex").slice(0, 8);
          const caller: Caller = { account, device, scope, reason, expires, connection, connectedAt, requestId };
          void answerFrame(relay, caller, text).then((answer) => {
            if (answer !== undefined) deliver(answer);
          });
        },
        close: () => end(1000),
      };
    },
  };

  const blobs: BlobTransfer = {
    async put(target, _headers, body) {
      const name = target.slice("memory:".length);
      memory.tables.blobs.set(name, { size: body.length, modified: now() });
      bodies.set(name.split("/").at(-1)!, body.slice());
    },
    async get(target) {
      return bodies.get(target.slice("memory:".length).split("/").at(-1)!)?.slice();
    },
  };

  return Object.defineProperties(self, Object.getOwnPropertyDescriptors({ transport, blobs })) as typeof self & {
    transport: Transport;
    blobs: BlobTransfer;
  };
}
