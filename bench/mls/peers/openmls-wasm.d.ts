/** The module behind openmls-wasm's entry, which bundlers alone can load. */
declare module "openmls-wasm/openmls_wasm_bg.js" {
  export * from "openmls-wasm";
  export function __wbg_set_wasm(exports: WebAssembly.Exports): void;
}
