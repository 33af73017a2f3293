/** Changes made on a live database, each a revision of its own, as a generated migration would make them. */
import { beforeAll, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Change, DatabaseSchema, LiveSchema, Migration, Migrator, Operations } from "effect-aquifer"
import { start } from "../../src/dialect/pglite/engine.js"
import { borrowed } from "../dialect/pglite/shared.js"
import { on as anywhere, type Product, schema } from "../migration/support.js"

// A database to be compared and one to try things on, both perhaps on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

/** As elsewhere, for two: the second is what things are tried on. */
export const prepare = (product: Product): void => {
  const two = Effect.flatMap(Effect.all([borrowed, borrowed]), (programs) =>
    Effect.forEach(programs, (program) => Effect.promise(() => program.close()))
  )
  if (product.name === "pglite") beforeAll(() => Effect.runPromise(Effect.asVoid(two)), 240_000)
}

let runs = 0

/** All of them, in order. */
export const apply = (changes: ReadonlyArray<Change.Change>) =>
  Effect.suspend(() => {
    runs++
    const revisions = changes.map(
      (change, i) => [`${i + 1}_x`, Migration.make({ up: Operations.apply(change) })] as const
    )
    const loader = Migrator.fromRecord(Object.fromEntries(revisions))
    return changes.length === 0
      ? Effect.void
      : Effect.asVoid(Migrator.up({ loader, table: `run_${runs}_aquifer_migrations` }))
  })

/** What takes all of them back; none where one of them has no way back. */
export const inverses = (changes: ReadonlyArray<Change.Change>): Option.Option<ReadonlyArray<Change.Change>> =>
  Option.all(changes.map(Change.inverse).reverse())

/** As everywhere, but a PGlite to try things on is borrowed, because starting one takes seconds. */
export const on: typeof anywhere = (product, use, options) =>
  Effect.locally(anywhere(product, use, options), start, () => borrowed)

export const { diff } = DatabaseSchema

/** The order of columns is history, and history is no difference. */
export const look = Effect.map(schema, (found) => ({
  ...found,
  tables: found.tables.map((table) => ({
    ...table,
    columns: [...table.columns].sort((a, b) => (a.name < b.name ? -1 : 1))
  }))
}))

/** As one text, which a failure shows whole. */
export const differences = (before: LiveSchema.LiveSchema, after: LiveSchema.LiveSchema): string =>
  LiveSchema.differences(before, after).join("\n")

/** A rename leaves names of constraints and indexes behind, which nobody chose: that is no difference either. */
export const nameless = (schema: LiveSchema.LiveSchema): LiveSchema.LiveSchema => {
  const plain = <A extends { readonly name?: string | undefined }>(all: ReadonlyArray<A>) =>
    all
      .map((one) => ({ ...one, name: "", sql: "over" in one ? "" : (one as { sql?: string }).sql, source: undefined }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  // Only what is compared is kept, so the shape is that of a schema.
  return {
    ...schema,
    tables: schema.tables.map((table) => ({
      ...table,
      primaryKey: table.primaryKey && { columns: table.primaryKey.columns },
      uniques: plain(table.uniques),
      foreignKeys: plain(table.foreignKeys),
      checks: plain(table.checks),
      indexes: plain(table.indexes)
    }))
  } as unknown as LiveSchema.LiveSchema
}

/** Changes as a person would tell them. */
export const told = (changes: ReadonlyArray<Change.Change>): ReadonlyArray<string> =>
  changes.map((change) => {
    if (change._tag === "RenameTable" || change._tag === "RenameColumn") return Change.describe(change)
    const fields: Record<string, unknown> = { ...change }
    const name = fields.name ?? fields.column ?? fields.constraint ?? fields.index ?? fields.table
    const thing = typeof name === "object" ? (name as { name: string }).name : name
    const table = typeof fields.table === "string" && fields.table !== thing ? `${fields.table}.` : ""
    return `${change._tag} ${table}${thing}`
  })
