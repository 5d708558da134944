/** Primitives and a moment, for the steps of session/ by themselves. */
import { cipherSuites, getCipherSuite } from "@tacit/mls";
import { nodeProvider } from "@tacit/mls/providers/node";

export const provider = nodeProvider();
export const suite = getCipherSuite(cipherSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, provider);
export const now = 1_800_000_000_000;
