/** The products as suites see them: where an empty database comes from, and what each lacks. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { onShared } from "../dialect/pglite/shared.js"
import { freshDatabase } from "../support/server.js"
import type { Lack, Product } from "./contract.js"

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

/** SQLite has five storage classes; a column's declared type only leans a value towards one. */
const sqliteValues: ReadonlyArray<Lack> = [
  {
    test: "a decimal with its digits (NUMERIC(10, 2)) comes back from a raw statement",
    reason: "decimals: NUMERIC is a floating-point number there, keep them in TEXT"
  },
  { test: "BigDecimal in NUMERIC goes in and comes out", reason: "decimals: keep them in TEXT" },
  {
    test: "an int8 as text (BIGINT) comes back from a raw statement",
    reason: "int8: an INTEGER column turns text into a number, and a raw statement reads a number"
  },
  {
    test: "BigInt in BIGINT goes in and comes out",
    reason: "int8 as text: the driver reads a number, and a bigint beyond 2^53"
  },
  ...["INTEGER[]", "TEXT[]"].map((type) => ({
    test: `an array of ${type === "TEXT[]" ? "texts" : "integers"} (${type}) comes back from a raw statement`,
    reason: "array types: an array is refused"
  })),
  { test: "an Array in JSON goes in and comes out", reason: "array types: an array is refused, use parseJson" },
  { test: "a column can be called __proto__", reason: "such names: the driver makes the row, and loses it" }
]

const separately =
  "a separate transaction stays when the one around it fails, and does not see what that has not committed"
const oneSession = [
  { test: separately, reason: "a second session: it is refused at once" },
  {
    test: "a transaction for each element of a stream: each is committed by itself",
    reason: "a second session: the stream holds the only one, and the transaction waits in vain"
  }
]

const noSettings = { test: "a setting holds for its transaction alone", reason: "parameters of a session" }

/** A file, so that readers and the writer are different sessions. */
export const sqlite: Product = {
  name: "SQLite",
  ...from(
    Effect.map(temporaryFolder, (folder) => ({ url: `sqlite:${join(folder, "test.db")}`, profile: "development" }))
  ),
  lacks: [noSettings, { test: separately, reason: "a second writer: it is refused at once" }, ...sqliteValues]
}

/** In memory: one session for all. */
export const sqliteMemory: Product = {
  name: "SQLite in memory",
  ...from(Effect.succeed({ url: "sqlite::memory:", profile: "development" })),
  lacks: [
    {
      test: "a health check needs no free connection of the pool",
      reason: "a second session: the database is its one session, and a check waits for whoever holds it"
    },
    noSettings,
    ...oneSession,
    ...sqliteValues
  ]
}

/** The values are PostgreSQL's and its driver's. */
const postgresValues: ReadonlyArray<Lack> = [
  { test: "a text with a NUL byte (TEXT) comes back from a raw statement", reason: "NUL in texts: a DataError" },
  {
    test: "a day as text (DATE) comes back from a raw statement",
    reason: "days as text: the driver reads DATE as a Date at local midnight, as upstream's does"
  },
  {
    test: "Model.Date in DATE goes in and comes out",
    reason: "days as text: keep them in TEXT, or use DateFromSelf"
  },
  {
    test: "DateTimeInsertFromNumber in BIGINT goes in and comes out",
    reason: "int8 as number: the driver reads it as text; DOUBLE PRECISION holds every millisecond exactly"
  },
  {
    test: "an array is refused, not spread over the parameters",
    reason: "nothing: there an array is a value, that of an array type"
  },
  {
    test: "an Array in JSON goes in and comes out",
    reason: "lists as JSON: an array is sent as one of an array type, use parseJson"
  }
]

export const postgres: Product = {
  name: "PostgreSQL",
  ...from(Effect.map(freshDatabase, (url) => ({ url, profile: "development" }))),
  lacks: postgresValues
}

/** PostgreSQL in this process, in memory: one session for all. Its program is shared and emptied, because it starts in seconds. */
export const pglite: Product = {
  name: "PGlite",
  address: Effect.succeed({ url: "pglite::memory:", profile: "development" }),
  database: (options) =>
    Layer.merge(onShared({ profile: "development", pool: { size: 5, maxOverflow: 5 }, ...options }), Reactivity.layer),
  lacks: [
    {
      test: "a health check needs no free connection of the pool",
      reason: "a second session: the database is its one session, and a check waits for whoever holds it"
    },
    ...oneSession,
    ...postgresValues
  ]
}
