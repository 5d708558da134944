import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import { storeContract } from "./storeContract.ts";

describe("memoryStore", () => {
  storeContract({
    create: async () => memoryStore(),
    reopen: async (store) => (store as MemoryStore).reopen(),
  });
});
