import { defineConfig } from "vitest/config"

/** Tests that import the package by name meet its source, not its last build. */
const conditions = ["effect-aquifer:source"]

export default defineConfig({
  resolve: { conditions: [...conditions, "module", "node", "development|production"] },
  ssr: { resolve: { conditions: [...conditions, "module", "node", "development|production"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    setupFiles: ["test/support/worker.ts"],
    reporters: ["default", "./test/support/skips.ts"],
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    // Where nobody looks on, a test of real processes on a busy machine gets a second try; the report names it.
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 30_000,
    hookTimeout: 60_000
  }
})
