/** Revisions written by comparing, on real databases: applied they leave nothing to do, taken back they leave no trace. */
import * as fs from "node:fs"
import * as path from "node:path"
import type * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DatabaseSchema, LiveSchema, Migrator, Table } from "effect-aquifer"
import * as fc from "fast-check"
import { start } from "../../../src/dialect/pglite/engine.js"
import { borrowed } from "../../dialect/pglite/shared.js"
import { differences, look } from "../../schema/changes.js"
import { declared } from "../../schema/random.js"
import { everywhere, folder, on, type Product, prepare, products, refusal, rows, schema } from "../support.js"

const [sqlite, postgres] = products as [Product, Product]
const kinds = ["ts", "sql"] as const

type Extra = Partial<Parameters<typeof Migrator.autogenerate>[0]>

/** A PGlite to try things on is borrowed, because starting one takes seconds. */
const quickly = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.locally(effect, start, () => borrowed)

const write = (directory: string, schema: DatabaseSchema.DatabaseSchema, extra: Extra = {}) =>
  quickly(Migrator.autogenerate({ directory, declared: schema, name: "x", ...extra }))

const check = (directory: string, schema: DatabaseSchema.DatabaseSchema, extra: Extra = {}) =>
  Effect.map(quickly(Migrator.check({ directory, declared: schema, ...extra })), (found) =>
    found.map(({ danger, says }) => (danger === undefined ? says : `${says}: ${danger}`))
  )

const read = (directory: string, pattern: RegExp) => {
  const name = fs.readdirSync(directory).find((name) => pattern.test(name))
  return name === undefined ? undefined : fs.readFileSync(path.join(directory, name), "utf8")
}

const thereAndBack = (
  kind: "ts" | "sql",
  a: DatabaseSchema.DatabaseSchema,
  b: DatabaseSchema.DatabaseSchema
): Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* folder({})
    yield* write(directory, a, { kind })
    yield* Migrator.up({ directory })
    expect(yield* check(directory, a)).toEqual([])
    const atA = yield* look
    const { created } = yield* write(directory, b, { kind })
    yield* Migrator.up({ directory })
    expect(yield* check(directory, b)).toEqual([])
    expect(yield* write(directory, b, { kind })).toEqual({ created: [], changes: [] })
    const atB = yield* look
    const isOneWay = created.some(({ id }) => read(directory, new RegExp(`^${id}_`))?.includes("No way back: "))
    if (isOneWay) return
    yield* Migrator.down({ directory, steps: created.length })
    expect(differences(atA, yield* look)).toBe("")
    yield* Migrator.up({ directory })
    expect(differences(atB, yield* look)).toBe("")
    yield* Migrator.down({ directory, to: "base" })
    expect((yield* schema).tables).toEqual([])
  })

const runs = { sqlite: 5, postgresql: 2, pglite: 1 }

for (const product of everywhere) {
  describe(`on ${product.name}`, () => {
    prepare(product)
    for (const kind of kinds) {
      it.live(
        `from any schema to any other, as .${kind}: nothing is left to do, and nothing stays when it is taken back`,
        () =>
          Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(declared, declared, (a, b) =>
                Effect.runPromise(on(product, () => thereAndBack(kind, a, b)) as Effect.Effect<void, unknown>)
              ),
              { numRuns: runs[product.name], endOnFailure: true }
            )
          ),
        300_000
      )
    }

    it.live("refuses while anything is pending, and writes nothing", () =>
      on(product, () =>
        Effect.gen(function* () {
          const files = { "0001_a.sql": "-- migrate:up\nCREATE TABLE a (id integer);\n" }
          const directory = yield* folder(files)
          const empty = DatabaseSchema.make({})
          expect(yield* refusal(write(directory, empty))).toMatchObject({ reason: "not-at-head" })
          expect(yield* refusal(check(directory, empty))).toMatchObject({ reason: "not-at-head" })
          expect(fs.readdirSync(directory)).toEqual(["0001_a.sql"])
          yield* Migrator.up({ directory })
          fs.appendFileSync(path.join(directory, "0001_a.sql"), "-- more\n")
          expect(yield* refusal(write(directory, empty))).toMatchObject({ reason: "changed" })
          expect(fs.readdirSync(directory)).toEqual(["0001_a.sql"])
        })
      )
    )
  })
}

const users = (more: Table.Columns = {}) => Table.make("users", { id: Table.int.pipe(Table.primaryKey), ...more })

describe("a file that is written", () => {
  it.live.each([sqlite, postgres])("is the first of its folder, which need not be there: $name", (product) =>
    on(product, () =>
      Effect.gen(function* () {
        const directory = path.join(yield* folder({}), "new")
        const { created } = yield* write(directory, DatabaseSchema.make({ users: users() }))
        expect(created).toMatchObject([{ id: "0001", revises: [] }])
        yield* Migrator.up({ directory })
        expect(yield* check(directory, DatabaseSchema.make({ users: users() }))).toEqual([])
      })
    )
  )

  it.live("follows the one end there is, or the one that is named", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const header = "-- revises: 0001\n"
        const directory = yield* folder({
          "0001_a.sql": "-- migrate:up\n",
          "0002_b.sql": `${header}-- migrate:up\n`,
          "0003_c.sql": `${header}-- migrate:up\n`
        })
        yield* Migrator.up({ directory, to: "heads" })
        const declared = DatabaseSchema.make({ users: users() })
        expect(yield* refusal(write(directory, declared))).toMatchObject({ reason: "several-heads" })
        expect(fs.readdirSync(directory)).toHaveLength(3)
        const { created } = yield* write(directory, declared, { revises: ["0002"] })
        expect(created).toMatchObject([{ id: "0004", revises: ["0002"] }])
      })
    )
  )

  it.live("puts back each of several tables that are dropped at once", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const indexed = <const Name extends string>(name: Name) =>
          Table.make(name, { id: Table.int.pipe(Table.primaryKey), a: Table.text }, (c) => [Table.index([c.a])])
        const declared = DatabaseSchema.make({ a: indexed("a"), b: indexed("b"), c: indexed("c") })
        yield* write(directory, declared)
        yield* Migrator.up({ directory })
        const before = yield* look
        yield* write(directory, DatabaseSchema.make({}))
        yield* Migrator.up({ directory })
        yield* Migrator.down({ directory })
        expect(differences(before, yield* look)).toBe("")
      })
    )
  )

  it.live("leaves the ledger alone, whatever it is called, and what is ignored", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({ "0001_a.sql": "-- migrate:up\nCREATE TABLE theirs (id integer);\n" })
        yield* Migrator.up({ directory, table: "versions" })
        const empty = DatabaseSchema.make({})
        expect(yield* check(directory, empty, { table: "versions" })).toEqual([
          'drop the table "theirs": the rows of "theirs" are lost'
        ])
        expect(yield* check(directory, empty, { table: "versions", ignore: ["theirs"] })).toEqual([])
        expect(yield* check(directory, empty, { table: "versions", ignore: (name) => name === "theirs" })).toEqual([])
        expect(yield* check(directory, empty, { table: "versions", drop: false })).toEqual([])
      })
    )
  )

  it.live.each([sqlite, postgres])("says what is dangerous, in the report and where it is done: $name", (product) =>
    on(product, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const first = DatabaseSchema.make({
          users: users({ a: Table.varchar(20), b: Table.int, c: Table.int.pipe(Table.nullable), d: Table.int }),
          gone: Table.make("gone", { id: Table.int })
        })
        yield* write(directory, first, { kind: "ts" })
        yield* Migrator.up({ directory })
        const second = DatabaseSchema.make({
          users: users({
            a: Table.varchar(10),
            c: Table.int,
            d: Table.bigint,
            e: Table.int,
            f: Table.int.pipe(Table.nullable)
          })
        })
        for (const kind of kinds) {
          const { changes, created } = yield* write(directory, second, { kind, name: kind })
          const dangers = changes.flatMap(({ danger }) => danger ?? [])
          expect([...dangers].sort()).toEqual([
            'a row that is there has no value for "e": it is refused unless "users" is empty',
            'a row without a value for "c" refuses it',
            'the rows of "gone" are lost',
            'the values of "b" are lost',
            'values of "a" may not fit the new type'
          ])
          const text = read(directory, new RegExp(`_${kind}\\.${kind}$`)) ?? ""
          for (const danger of dangers) expect(text).toContain(`${kind === "ts" ? "//" : "--"} Danger: ${danger}\n`)
          // Back again: what is missed there, too, but not that what was made goes.
          expect(text.split("Danger: ")).toHaveLength(1 + dangers.length + 2)
          for (const { file } of created) fs.rmSync(path.resolve(file))
        }
      })
    )
  )

  const attacks = [
    `x"); process.exit(7); ("`,
    "a\nprocess.exit(7)",
    "it's; DROP TABLE users; --",
    `"; DROP TABLE users; --`,
    "*/ x /*",
    `\${x}\``
  ]

  for (const product of [sqlite, postgres]) {
    it.live.each(kinds)(`holds any name as it is, as .%s: ${product.name}`, (kind) =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({})
          const tables = attacks.map((name) =>
            Table.make(name, { [name]: Table.text.pipe(Table.withDefault(name), Table.comment(name)) }, (c) => [
              Table.index([c[name] ?? ""], { name: `i ${name}` })
            ])
          )
          const schema = DatabaseSchema.make(Object.fromEntries(tables.map((table) => [table.name, table])) as never)
          yield* write(directory, schema, { kind })
          yield* Migrator.up({ directory })
          expect(yield* check(directory, schema)).toEqual([])
          // Taken away again, they stand in comments, too.
          yield* write(directory, DatabaseSchema.make({}), { kind, name: "away" })
          yield* Migrator.up({ directory })
          yield* Migrator.down({ directory })
          fs.rmSync(path.join(directory, `0002_away.${kind}`))
          expect(yield* check(directory, schema)).toEqual([])
        })
      )
    )
  }

  it.live("of SQL is refused where a text would be taken for the file's own words, and a program holds it", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const comment = "one\n-- migrate:down\nDROP TABLE users;\n-- migrate:up\n"
        const schema = DatabaseSchema.make({ users: users({ a: Table.text.pipe(Table.comment(comment)) }) })
        expect(yield* refusal(write(directory, schema, { kind: "sql" }))).toMatchObject({ reason: "not-written" })
        expect(fs.readdirSync(directory)).toEqual([])
        yield* write(directory, schema, { kind: "ts" })
        yield* Migrator.up({ directory })
        expect(yield* check(directory, schema)).toEqual([])
      })
    )
  )

  it.live.each(kinds)("is followed by another where a new word of an enum is used, as .%s", (kind) =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const mood = (...words: readonly [string, ...ReadonlyArray<string>]) =>
          DatabaseSchema.make({
            users: users({ mood: Table.enums("mood", words).pipe(Table.withDefault(words.at(-1) ?? "")) })
          })
        yield* write(directory, mood("sad"), { kind })
        yield* Migrator.up({ directory })
        const { created } = yield* write(directory, mood("sad", "it's fine"), { kind })
        expect(created).toMatchObject([{ id: "0002" }, { id: "0003", revises: ["0002"] }])
        yield* Migrator.up({ directory })
        expect(yield* check(directory, mood("sad", "it's fine"))).toEqual([])
        expect(read(directory, /^0002/)).toContain(
          'No way back: nothing takes back: add the value "it\'s fine" to the enum "mood"'
        )
        yield* Migrator.down({ directory, steps: 1 })
        expect(yield* refusal(Migrator.down({ directory, steps: 1 }))).toMatchObject({ reason: "irreversible" })
      })
    )
  )

  it.live.each(kinds)("stands alone where it must not be in a transaction, as .%s", (kind) =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const first = DatabaseSchema.make({ users: users({ a: Table.int }) })
        const second = DatabaseSchema.make({
          users: Table.make(
            "users",
            { id: Table.int.pipe(Table.primaryKey), a: Table.int, b: Table.int.pipe(Table.nullable) },
            (c) => [Table.index([c.a], { concurrently: true }), Table.index([c.b], { concurrently: true })]
          )
        })
        yield* write(directory, first, { kind })
        yield* Migrator.up({ directory })
        const { created } = yield* write(directory, second, { kind })
        expect(created).toHaveLength(3)
        expect(read(directory, /^0002/)).not.toContain("transaction: false")
        expect(read(directory, /^0003/)).toContain("transaction: false")
        yield* Migrator.up({ directory })
        expect(yield* check(directory, second)).toEqual([])
        yield* Migrator.down({ directory, steps: 3 })
        expect(yield* check(directory, first).pipe(Effect.flip, Effect.map(String))).toContain(
          "3 migrations are pending"
        )
      })
    )
  )

  it.live("is taken away again when the one behind it cannot be written", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const into = path.join(directory, "..", "into")
        yield* write(directory, DatabaseSchema.make({ users: users() }), {})
        yield* Migrator.up({ directory })
        const more = DatabaseSchema.make({
          users: Table.make(
            "users",
            { id: Table.int.pipe(Table.primaryKey), a: Table.int.pipe(Table.nullable) },
            (c) => [Table.index([c.a], { concurrently: true })]
          )
        })
        // Files outside of the history are followed by nothing there.
        expect(yield* refusal(write(directory, more, { into }))).toMatchObject({ reason: "unknown-revision" })
        expect(fs.readdirSync(into)).toEqual([])
      })
    )
  )

  it.live("of SQL says so where the database is not what its migrations make, and a program does not mind", () =>
    on(sqlite, () =>
      Effect.gen(function* () {
        const directory = yield* folder({})
        const declared = DatabaseSchema.make({ users: users() })
        yield* write(directory, declared)
        yield* Migrator.up({ directory })
        yield* rows("ALTER TABLE users ADD COLUMN by_hand integer CHECK (by_hand > 0)")
        const error = yield* refusal(write(directory, declared, { kind: "sql", name: "y" }))
        expect(error.reason).toBe("not-written")
        expect(error.message).toMatch(/by_hand.*changed by hand.*\.ts file/)
        yield* write(directory, declared, { kind: "ts", name: "y" })
        yield* Migrator.up({ directory })
        expect(yield* check(directory, declared)).toEqual([])
        expect(LiveSchema.table(yield* schema, "users")?.columns).toHaveLength(1)
      })
    )
  )
})
