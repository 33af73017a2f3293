import { createHash } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migration, Migrator, Operations, Table, Transaction } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import {
  everywhere,
  folder,
  layerOf,
  ledger,
  on,
  prepare,
  put,
  reason,
  refusal,
  rows,
  table,
  tables
} from "./support.js"

const make = (name: string) => Operations.createTable(Table.make(name, { id: Table.int.pipe(Table.primaryKey) }))
const three = { "1_a.sql": table("a"), "2_b.sql": table("b"), "3_c.sql": table("c") }

for (const product of everywhere) {
  describe(`Migrator on ${product.name}`, () => {
    prepare(product)
    it.live("applies what is pending, once, and says what it did", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
          const first = yield* Migrator.up({ directory })
          expect(first).toMatchObject({ ledger: "aquifer_migrations", already: 0, reverted: [] })
          expect(first.applied.map(({ id, name }) => [id, name])).toEqual([
            ["1", "a"],
            ["2", "b"]
          ])
          expect(yield* Migrator.up({ directory })).toMatchObject({ applied: [], already: 2 })
          yield* put(directory, { "3_c.sql": table("c") })
          expect(yield* Migrator.up({ directory })).toMatchObject({ applied: [{ id: "3" }], already: 2 })
          expect(yield* tables).toEqual(["a", "b", "c"])
          expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0"])
        })
      )
    )

    it.live("inside of a transaction nothing is changed, and that is said at once", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a") })
          const refused = (change: Effect.Effect<unknown, Migrator.Failure, SqlClient.SqlClient>) =>
            Effect.gen(function* () {
              const error = yield* Effect.flip(Transaction.run(change))
              expect(error).toMatchObject({ _tag: "UnsupportedError", hint: "Do it outside of the transaction" })
            })
          yield* refused(Migrator.up({ directory }))
          expect(yield* tables).toEqual([])
          yield* Migrator.up({ directory })
          yield* refused(Migrator.up({ directory }))
          yield* refused(Migrator.down({ directory }))
          yield* refused(Migrator.stamp("base", { directory }))
          yield* refused(Migrator.repair({ directory, forget: ["1"] }))
          expect(yield* ledger).toEqual(["1 applied 0"])
        })
      )
    )

    it.live("at head it sends one statement, takes no lock and imports nothing", () =>
      on(product, () =>
        Effect.gen(function* () {
          const at = `(globalThis as any).aquiferImported = ((globalThis as any).aquiferImported ?? 0) + 1`
          const directory = yield* folder({
            "1_a.ts": `import { Migration } from "effect-aquifer"\nimport * as Effect from "effect/Effect"\n${at}\nexport default Migration.make({ up: Effect.void })`
          })
          yield* Migrator.up({ directory })
          const imported = () => (globalThis as { aquiferImported?: number }).aquiferImported
          expect(imported()).toBeGreaterThan(0)
          const before = imported()
          const client = yield* SqlClient.SqlClient
          const connections = yield* Connections.of(client)
          const sent: Array<string> = []
          const counting = Connections.mark(
            Object.assign(() => {}, client),
            {
              ...connections,
              run: (request) => {
                sent.push(request.text)
                return connections.run(request)
              },
              own: Effect.dieMessage("a session of its own was opened"),
              reserve: Effect.dieMessage("a connection was reserved")
            }
          )
          yield* Migrator.up({ directory }).pipe(
            // Only the way to the connections is looked at.
            Effect.provideService(SqlClient.SqlClient, counting as unknown as SqlClient.SqlClient)
          )
          expect(sent).toHaveLength(1)
          expect(imported()).toBe(before)
        })
      )
    )

    it.live("goes back one step, some, or to a revision, the last first", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          yield* Migrator.up({ directory })
          expect((yield* Migrator.down({ directory })).reverted.map((done) => done.id)).toEqual(["3"])
          expect(yield* tables).toEqual(["a", "b"])
          expect((yield* Migrator.down({ directory, steps: 2 })).reverted.map((done) => done.id)).toEqual(["2", "1"])
          expect(yield* ledger).toEqual([])
          expect((yield* Migrator.up({ directory, to: "2" })).applied.map((done) => done.id)).toEqual(["1", "2"])
          expect((yield* Migrator.up({ directory, steps: 1 })).applied.map((done) => done.id)).toEqual(["3"])
          expect((yield* Migrator.to("1_a", { directory })).reverted.map((done) => done.id)).toEqual(["3", "2"])
          expect((yield* Migrator.to("head", { directory })).applied.map((done) => done.id)).toEqual(["2", "3"])
          expect((yield* Migrator.to("base", { directory })).reverted).toHaveLength(3)
          expect(yield* tables).toEqual([])
        })
      )
    )

    it.live("tells how every revision stands", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          expect((yield* Migrator.status({ directory })).revisions.map((line) => line.standing)).toEqual([
            "pending",
            "pending",
            "pending"
          ])
          yield* Migrator.up({ directory, steps: 2 })
          const status = yield* Migrator.status({ directory })
          expect(status).toMatchObject({ applied: 2, pending: 1, atHead: false, problems: [] })
          expect(status.revisions.map((line) => line.standing)).toEqual(["applied", "applied", "pending"])
          expect(status.revisions[0]?.appliedAt).toBeInstanceOf(Date)
          expect(status.revisions[0]?.appliedBy).toContain(`process ${process.pid}`)
          expect((yield* Migrator.current({ directory })).map((line) => line.id)).toEqual(["2"])
          expect((yield* Migrator.history({ directory })).map((line) => line.id)).toEqual(["1", "2"])
          yield* Migrator.up({ directory })
          expect((yield* Migrator.status({ directory })).atHead).toBe(true)
        })
      )
    )

    it.live("the layer applies what is pending while it is built", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder(three)
          expect(yield* Effect.provide(tables, Migrator.layer({ directory }))).toEqual(["a", "b", "c"])
        })
      )
    )

    it.live("a revision without a way back is not taken back, nor one that others follow", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": "-- migrate:up\nCREATE TABLE a (id integer);",
            "2_b.sql": table("b")
          })
          yield* Migrator.up({ directory })
          yield* Migrator.down({ directory })
          const error = yield* refusal(Migrator.down({ directory }))
          expect(error).toMatchObject({ reason: "irreversible", revision: "1_a" })
          expect(error.message).toContain("-- migrate:down")
          expect(yield* ledger).toEqual(["1 applied 0"])
          expect(yield* reason(Migrator.down({ directory, to: "7" }))).toBe("unknown-revision")
          yield* Migrator.up({ directory })
          // As in a ledger whose rows were not written in their order, say a stamped one.
          yield* rows("UPDATE aquifer_migrations SET sequence = 9 WHERE id = '1'")
          const followed = yield* refusal(Migrator.down({ directory }))
          expect(followed).toMatchObject({ reason: "has-children", revision: "1_a" })
          expect(followed.message).toContain("2_b")
        })
      )
    )

    it.live("each table prefix has a history of its own", () =>
      on(
        product,
        (url) =>
          Effect.gen(function* () {
            const loader = Migrator.fromRecord({
              "1_x": Migration.make({ up: Effect.flatMap(Operations.prefixed, (name) => make(name("x"))) })
            })
            expect((yield* Migrator.up({ loader })).ledger).toBe("blue_aquifer_migrations")
            // Inside the process, another layer would be another database.
            if (product.name === "pglite") return
            const red = yield* Effect.provide(Migrator.up({ loader }), layerOf(product, url, { tablePrefix: "red" }))
            expect(red).toMatchObject({ ledger: "red_aquifer_migrations", applied: [{ id: "1" }] })
            expect(yield* tables).toEqual(["blue_x", "red_x"])
            expect((yield* Migrator.up({ loader, table: "third" }).pipe(Effect.flip)).message).toContain("blue_x")
          }),
        { tablePrefix: "blue" }
      )
    )

    it.live("writes down what was run, when, by whom and from which text", () =>
      on(
        product,
        () =>
          Effect.gen(function* () {
            const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
            const before = Date.now()
            yield* Migrator.up({ directory })
            const [first, second] = yield* rows("SELECT * FROM aquifer_migrations ORDER BY sequence")
            expect(first).toMatchObject({
              id: "1",
              name: "a",
              kind: "sql",
              parents: "[]",
              origin: "run",
              sequence: 1,
              error: null
            })
            expect(second).toMatchObject({ id: "2", parents: `["1"]`, state: "applied", sequence: 2 })
            expect(first?.checksum).toBe(createHash("sha256").update(table("a")).digest("hex"))
            expect(first?.applied_by).toMatch(/^the tester on .+, process \d+$/)
            const [started, finished] = [first?.started_at as Date, first?.finished_at as Date]
            expect(started.getTime()).toBeGreaterThanOrEqual(before)
            expect(finished.getTime()).toBeGreaterThanOrEqual(started.getTime())
          }),
        { applicationName: "the tester" }
      )
    )

    it.live("keeps its ledger where it is told", () =>
      on(product, () =>
        Effect.gen(function* () {
          const schema = product.name === "sqlite" ? "main" : "ops"
          if (product.name !== "sqlite") yield* rows("CREATE SCHEMA ops")
          const options = { directory: yield* folder({ "1_a.sql": table("a") }), schema, table: `odd "ledger"` }
          expect(yield* Migrator.up(options)).toMatchObject({
            ledger: `${schema}.odd "ledger"`,
            applied: [{ id: "1" }]
          })
          expect(yield* Migrator.up(options)).toMatchObject({ applied: [], already: 1 })
          expect(yield* rows(`SELECT id FROM ${schema}."odd ""ledger"""`)).toEqual([{ id: "1" }])
        })
      )
    )
  })
}
