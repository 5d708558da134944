/** One configuration for every package: TypeScript through swc, no build step, workspaces resolved to their sources. */
import { availableParallelism } from "node:os";

export default {
  // In processes that end when they have grown: a hundred suites in one heap take four times as long.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  workerIdleMemoryLimit: "800MB",
  testEnvironment: "node",
  // A busy machine is slow, not wrong: no test asserts how long something takes.
  testTimeout: 600_000,
  roots: ["<rootDir>/test"],
  reporters: ["default", "<rootDir>/test/support/closingLine.js"],
  testMatch: ["**/*.test.ts"],
  transform: {
    "^.+\\.[cm]?[jt]s$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  // These publish ESM alone; jest runs CommonJS.
  transformIgnorePatterns: ["/node_modules/(?!(@noble|@hpke|ts-mls|openmls-wasm|jose|valibot|fast-check|pure-rand)/)"],
  moduleNameMapper: {
    "^@tacit/protocol$": "<rootDir>/protocol/src/index.ts",
    "^@tacit/mls$": "<rootDir>/mls/src/index.ts",
    "^@tacit/mls/providers/(.*)$": "<rootDir>/mls/src/providers/$1.ts",
    "^@tacit/client$": "<rootDir>/client/src/index.ts",
    "^@tacit/client/memory$": "<rootDir>/client/src/adapters/memoryStore.ts",
    "^@tacit/client/sqlite$": "<rootDir>/client/src/adapters/sqliteStore.ts",
    "^@tacit/local$": "<rootDir>/local/src/index.ts",
  },
};
