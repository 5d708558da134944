import type { Measure } from "./measure.ts";

/** One figure of the benchmark. */
export interface Row {
  readonly library: string;
  /** e.g. "Node" or "Chromium". */
  readonly runtime: string;
  /** The MLS cipher suite; undefined for other protocols. */
  readonly suite?: number;
  readonly operation: string;
  /** Members of the group. */
  readonly size: number;
  readonly ms: number;
  readonly bytes: number;
  readonly floorMs?: number;
}

/** What another library's measure becomes once its milliseconds are known. */
export interface PeerMeasure extends Omit<Row, "ms" | "runtime"> {
  readonly measure: Measure;
}

export function peerRows(peers: readonly PeerMeasure[], runtime: string, ms: ReadonlyMap<string, number>): Row[] {
  return peers.map(({ measure, ...row }) => ({ ...row, runtime, ms: ms.get(measure.key) ?? Number.NaN }));
}
