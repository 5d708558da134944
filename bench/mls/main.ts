/** The MLS engine against other libraries and against its floor: the sum of the primitives that an operation cannot avoid. */
import { cpus } from "node:os";
import { cipherSuites, defaultCipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";
import { suiteName, type BenchOptions, type Report } from "../report.ts";
import { aims } from "./aims.ts";
import { benchInChromium, noChromium } from "./chromium.ts";
import { libsignalMeasures } from "./libsignal.ts";
import { matrixMeasures } from "./matrix.ts";
import { openMlsMeasures } from "./openMls.ts";
import { measureOurs } from "./ours.ts";
import { packageSize } from "./packageSize.ts";
import { openMls } from "./peers/openMls.ts";
import { peerRows, type PeerMeasure, type Row } from "./row.ts";
import { tsMlsMeasures } from "./tsMls.ts";

const suites = [cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, defaultCipherSuite];

async function unlessAbsent(
  library: string,
  notes: string[],
  make: () => Promise<readonly PeerMeasure[]>,
): Promise<readonly PeerMeasure[]> {
  try {
    return await make();
  } catch (error) {
    notes.push(`${library} left out: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

export async function mls({ quick }: BenchOptions): Promise<Report> {
  const started = performance.now();
  const progress = (text: string): void =>
    console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`);
  const sizes = quick ? [2, 10, 100] : [2, 10, 100, 1000];
  const timing = quick ? { rounds: 7, slot: 6 } : { rounds: 9, slot: 10 };
  const now = BigInt(Math.floor(Date.now() / 1000));
  const notes: string[] = [];

  let peers: readonly PeerMeasure[] = [];
  const inNode = await measureOurs({
    ...timing,
    newProvider: () => nodeProvider(),
    runtime: "Node",
    suites,
    sizes,
    now,
    progress,
    peers: async (groups, certifier) => {
      peers = [
        ...(await unlessAbsent("ts-mls", notes, () => tsMlsMeasures(groups, certifier, progress))),
        ...(await unlessAbsent("libsignal-client", notes, () => libsignalMeasures(new Date()))),
        ...(await unlessAbsent("matrix-sdk-crypto-wasm", notes, matrixMeasures)),
        ...(await unlessAbsent("openmls-wasm", notes, async () => openMlsMeasures(await openMls()))),
      ];
      return peers.map(({ measure }) => measure);
    },
  });
  const rows: Row[] = [...inNode.rows, ...peerRows(peers, "Node", inNode.peers)];

  let chromium: string | undefined;
  if (noChromium === undefined) {
    const inBrowser = await benchInChromium({ ...timing, suites, sizes, now: String(now) }, progress);
    rows.push(...inBrowser.rows);
    chromium = inBrowser.version;
  } else {
    notes.push(noChromium);
  }

  const size = await packageSize();
  const verifyMs = inNode.primitives[String(suites[0])]?.["verify"] ?? Number.NaN;
  const reached = aims({ rows, packageBytes: size.whole, verifyMs });
  const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`;
  return {
    title: "MLS: milliseconds (median) and bytes of an operation",
    columns: ["runtime", "library", "suite", "operation", "size", "ms", "floor ms", "times", "bytes"],
    rows: rows.map((row) => [
      row.runtime,
      row.library,
      row.suite === undefined ? "" : suiteName(row.suite),
      row.operation,
      row.size,
      row.ms,
      row.floorMs ?? "",
      row.floorMs === undefined || row.operation.startsWith("store") ? "" : (row.ms / row.floorMs).toFixed(2),
      row.bytes,
    ]),
    notes: [
      "Aims:",
      ...reached.map(({ aim, reached: value, met }) => `  ${met ? "met   " : "missed"}  ${aim}; reached: ${value}`),
      "",
      `Package with the webcrypto provider, minified and gzipped: ${kilobytes(size.whole)}; the provider alone: ${kilobytes(size.provider)}.`,
      `Node ${process.versions.node}${chromium === undefined ? "" : `, Chromium ${chromium}`}, ${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}); one Ed25519 verification ${verifyMs.toFixed(3)} ms.`,
      "encrypt, decrypt: 200 bytes. add: a commit that adds one member, without a path. join: by a Welcome with the tree. update: a commit with a",
      "path, of a member of a group in which everyone has committed once. Credentials: one Ed25519 signature each, checked wherever the hook asks.",
      "storeMessage: bytes of the first message of an epoch, which writes most. Messages of MLS have no dependence on size but for these.",
      ...notes,
    ],
    json: {
      bench: "mls",
      quick,
      rows,
      aims: reached,
      packageBytes: size.whole,
      primitives: inNode.primitives,
      notes,
    },
  };
}
