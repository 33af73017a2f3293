/** The products as suites see them: where an empty database comes from, and what each lacks. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { freshDatabase } from "../support/server.js"
import type { Product } from "./contract.js"

/** A folder of its own that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "aquifer-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const from = (address: Product["address"]): Pick<Product, "address" | "database"> => ({
  address,
  database: (options) =>
    // `Reactivity` is the one the client itself uses: layers are built once per build.
    Layer.merge(
      Layer.unwrapScoped(
        Effect.map(address, (own) => Database.layer({ ...own, pool: { size: 5, maxOverflow: 5 }, ...options }))
      ),
      Reactivity.layer
    )
})

/** A file, so that readers and the writer are different sessions. */
export const sqlite: Product = {
  name: "SQLite",
  ...from(
    Effect.map(temporaryFolder, (folder) => ({ url: `sqlite:${join(folder, "test.db")}`, profile: "development" }))
  )
}

/** In memory: one session for all. */
export const sqliteMemory: Product = {
  name: "SQLite in memory",
  ...from(Effect.succeed({ url: "sqlite::memory:", profile: "development" })),
  lacks: [
    {
      test: "a health check needs no free connection of the pool",
      reason: "a second session: the database is its one session, and a check waits for whoever holds it"
    }
  ]
}

export const postgres: Product = {
  name: "PostgreSQL",
  ...from(Effect.map(freshDatabase, (url) => ({ url, profile: "development" })))
}
