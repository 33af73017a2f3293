import { defineConfig } from "vitest/config"

/** The import rules alone, as a part of `npm run check`: no server is started for them. */
export default defineConfig({
  root: new URL("../../..", import.meta.url).pathname,
  test: { include: ["test/architecture.test.ts"], reporters: ["dot"] }
})
