/** External PSKs that every client of the simulation knows, derived from their ids. */
import type { CipherSuite, ExternalPskId, PskLookup } from "@tacit/mls";
import { text } from "../../mls/world.ts";

export function externalPsk(suite: CipherSuite, name: string): ExternalPskId {
  return { type: "external", pskId: text(name), nonce: suite.random(suite.hashLength) };
}

export function lookup(suite: CipherSuite): PskLookup {
  return (id) => (id.type === "external" ? suite.hash(id.pskId) : undefined);
}
