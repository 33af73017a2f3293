/** What runs around revisions, and who hears of them. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migration, Migrator } from "effect-aquifer"
import { folder, ledger, on, products, refusal, rows, table, tables } from "./support.js"

const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))

for (const product of products) {
  describe(`hooks on ${product.name}`, () => {
    it.live("run once around all and once around each, on the session of the revisions", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql": `-- transaction: false\n${table("b")}`
          })
          yield* rows("CREATE TABLE said (what text)")
          const say = (what: string) => run(`INSERT INTO said VALUES ('${what}')`)
          const hooks: Migrator.Hooks = {
            first: say("first"),
            before: ({ direction, id }) => say(`before ${direction} ${id}`),
            after: ({ direction, id }) => say(`after ${direction} ${id}`),
            last: say("last")
          }
          const said = Effect.map(rows("SELECT what FROM said"), (all) => all.map((row) => row.what))
          yield* Migrator.up({ directory, hooks })
          expect(yield* said).toEqual(["first", "before up 1", "after up 1", "before up 2", "after up 2", "last"])
          yield* Migrator.up({ directory, hooks })
          expect(yield* said).toHaveLength(6)
          yield* Migrator.down({ directory, hooks })
          expect((yield* said).slice(6)).toEqual(["first", "before down 2", "after down 2", "last"])
        })
      )
    )

    it.live("one that fails takes its revision back, itself included", () =>
      on(product, () =>
        Effect.gen(function* () {
          const directory = yield* folder({ "1_a.sql": table("a") })
          yield* rows("CREATE TABLE said (what text)")
          const hooks: Migrator.Hooks = {
            before: () => run("INSERT INTO said VALUES ('before')"),
            after: () => run("INSERT INTO nowhere VALUES (1)")
          }
          const error = yield* refusal(Migrator.up({ directory, hooks }))
          expect(error).toMatchObject({
            reason: "failed",
            revision: "1_a",
            statement: "INSERT INTO nowhere VALUES (1)"
          })
          expect(yield* tables).toEqual(["said"])
          expect(yield* rows("SELECT * FROM said")).toEqual([])
          expect(yield* ledger).toEqual([])
          const first = yield* refusal(Migrator.up({ directory, hooks: { first: Effect.fail("not today") } }))
          expect(first.message).toContain('the hook "first" failed: not today')
          expect(yield* tables).toEqual(["said"])
        })
      )
    )

    it.live("every step is told while it happens, and who is waited for", () =>
      on(product, () =>
        Effect.gen(function* () {
          const events: Array<string> = []
          const onEvent = (event: Migrator.Event) =>
            Effect.sync(() => {
              events.push(
                event._tag === "waiting"
                  ? `waiting ${event.ledger}`
                  : event._tag === "statement"
                    ? `statement ${event.done}/${event.of}`
                    : `${event._tag} ${event.id} ${event.index}/${event.total}`
              )
            })
          const directory = yield* folder({
            "1_a.sql": table("a"),
            "2_b.sql":
              "-- transaction: false\n-- migrate:up\nCREATE TABLE b (id integer);\nCREATE TABLE c (id integer);\n"
          })
          yield* Migrator.up({ directory, onEvent })
          expect(events).toEqual([
            "started 1 1/2",
            "done 1 1/2",
            "started 2 2/2",
            "statement 1/2",
            "statement 2/2",
            "done 2 2/2"
          ])
          const started = yield* Effect.makeLatch()
          const loader = Migrator.fromRecord({
            "1_x": Migration.make({ up: Effect.zipRight(started.open, Effect.never) })
          })
          yield* Effect.forkScoped(Migrator.up({ loader, table: "other" }))
          yield* started.await
          events.length = 0
          yield* refusal(Migrator.up({ loader, table: "other", lockTimeout: "200 millis", onEvent }))
          expect(events.length).toBeGreaterThan(1)
          expect(new Set(events)).toEqual(new Set(["waiting other"]))
        })
      )
    )
  })
}
