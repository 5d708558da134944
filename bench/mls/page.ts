/** What runs in the browser: our engine on WebCrypto, and the libraries that are WASM. */
import { initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { webcryptoProvider } from "@tacit/mls/providers/webcrypto";
import * as openMls from "openmls-wasm/openmls_wasm_bg.js";
import { matrixMeasures } from "./matrix.ts";
import { openMlsMeasures } from "./openMls.ts";
import { measureOurs, type OursResult } from "./ours.ts";
import { peerRows, type PeerMeasure, type Row } from "./row.ts";

export interface PageOptions {
  readonly suites: readonly number[];
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly slot: number;
  readonly now: string;
}
export interface PageResult extends Pick<OursResult, "primitives"> {
  readonly rows: readonly Row[];
}

const runtime = "Chromium";

async function run(options: PageOptions): Promise<PageResult> {
  await initAsync("/matrix.wasm");
  const { instance } = await WebAssembly.instantiateStreaming(fetch("/openmls.wasm"), {
    "./openmls_wasm_bg.js": openMls as unknown as WebAssembly.ModuleImports,
  });
  openMls.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
  const peers: PeerMeasure[] = [...(await matrixMeasures()), ...openMlsMeasures(openMls)];
  const result = await measureOurs({
    ...options,
    now: BigInt(options.now),
    runtime,
    newProvider: () => webcryptoProvider(),
    progress: (text) => console.log(text),
    peers: async () => peers.map(({ measure }) => measure),
  });
  return { rows: [...result.rows, ...peerRows(peers, runtime, result.peers)], primitives: result.primitives };
}

(globalThis as unknown as { runBench: typeof run }).runBench = run;
