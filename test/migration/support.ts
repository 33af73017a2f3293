/** What migration tests share: the two products, folders of migrations, and a look at the database past everything under test. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { afterAll, beforeAll } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Database, LiveSchema, MigrationError } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { borrowed, end as endShared, onShared } from "../dialect/pglite/shared.js"
import { freshDatabase } from "../support/server.js"

const project = path.resolve(import.meta.dirname, "../..")

/** A folder that goes with the scope. */
export const scratch: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "aquifer-migration-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** A product and how to get an empty database of it; its URL. */
export interface Product<Name extends string = "sqlite" | "postgresql" | "pglite"> {
  readonly name: Name
  readonly database: Effect.Effect<string, unknown, Scope.Scope>
}

export const products: ReadonlyArray<Product<"sqlite" | "postgresql">> = [
  { name: "sqlite", database: Effect.map(scratch, (folder) => `sqlite:${folder}/test.db`) },
  { name: "postgresql", database: freshDatabase }
]

/** With the one inside the process, whose database ends with its layer: no second layer finds it again. */
export const everywhere: ReadonlyArray<Product> = [
  ...products,
  { name: "pglite", database: Effect.succeed("pglite::memory:") }
]

/** The layer of a database of that product. */
export const layerOf = (product: Product, url: string, options: Partial<Database.Options> = {}) =>
  product.name === "pglite" ? onShared(options) : Database.layer({ url, ...options })

afterAll(endShared)

/** Starts what takes long to start before the tests of a `describe` do, whose time is limited. */
export const prepare = (product: Product): void => {
  const started = Effect.flatMap(borrowed, (program) => Effect.promise(() => program.close()))
  if (product.name === "pglite") beforeAll(() => Effect.runPromise(started), 120_000)
}

/** Runs on a fresh database of the product, told its URL. */
export const on = <A, E>(
  product: Product,
  use: (url: string) => Effect.Effect<A, E, SqlClient.SqlClient | Scope.Scope>,
  options: Partial<Database.Options> = {}
) => Effect.scoped(Effect.flatMap(product.database, (url) => Effect.provide(use(url), layerOf(product, url, options))))

/** Writes files into a folder of their own, which finds the project's packages. */
export const folder = (files: Readonly<Record<string, string>>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.tap(scratch, (at) =>
    Effect.sync(() => {
      fs.symlinkSync(path.join(project, "node_modules"), path.join(at, "node_modules"))
      fs.mkdirSync(path.join(at, "m"))
      write(at, files)
    })
  ).pipe(Effect.map((at) => path.join(at, "m")))

const write = (at: string, files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(at, "m", name), text)
}

/** Adds or overwrites files of such a folder. */
export const put = (at: string, files: Readonly<Record<string, string>>) =>
  Effect.sync(() => write(path.dirname(at), files))

export const remove = (at: string, name: string) => Effect.sync(() => fs.rmSync(path.join(at, name)))

/** A `.sql` migration that makes a table and takes it away. */
export const table = (name: string): string =>
  `-- migrate:up\nCREATE TABLE ${name} (id integer PRIMARY KEY);\n-- migrate:down\nDROP TABLE ${name};\n`

/** The schema, without any ledger. */
export const schema: Effect.Effect<LiveSchema.LiveSchema, unknown, SqlClient.SqlClient> = Effect.gen(function* () {
  const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
  const found = yield* Effect.scoped(Effect.flatMap(connections.reserve, connections.dialect.inspect))
  return LiveSchema.without(
    found,
    found.tables.map((t) => t.name).filter((name) => name.endsWith("aquifer_migrations") || name === "schema_version")
  )
})

export const tables = Effect.map(schema, (found) => found.tables.map((t) => t.name))

export const rows = (text: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(text))

/** The ledger as it stands: id, state, step. */
export const ledger = Effect.map(rows(`SELECT id, state, step FROM aquifer_migrations ORDER BY sequence`), (all) =>
  all.map((row) => `${row.id} ${row.state} ${row.step}`)
)

/** The failure's reason, which must be a `MigrationError`. */
export const reason = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.map(refusal(effect), (error) => error.reason)

/** The `MigrationError` it fails with; anything else is a defect of the test. */
export const refusal = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<MigrationError.MigrationError, never, R> =>
  Effect.flatMap(Effect.flip(effect), (error) =>
    error instanceof MigrationError.MigrationError ? Effect.succeed(error) : Effect.die(error)
  ).pipe(
    Effect.orDieWith((value) => new Error(`expected a MigrationError, it succeeded with ${JSON.stringify(value)}`))
  )
