/** The end of an effect goes along with the first statement of the next, whatever that is, or by itself where none comes. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Database, Migration, Migrator } from "effect-aquifer"
import * as Interposed from "../../src/connection/Interposed.js"
import type { DriverConnection } from "../../src/Dialect.js"
import type { DatabaseError } from "../../src/model/DatabaseError.js"
import { freshDatabase } from "../support/server.js"
import { ledger, on, products, refusal, rows, tables } from "./support.js"

const [, postgres] = products as [(typeof products)[0], (typeof products)[0]]
const sql = SqlClient.SqlClient
const run = (text: string) => Effect.flatMap(sql, (sql) => sql.unsafe(text))
const create = (name: string) => run(`CREATE TABLE ${name} (id integer PRIMARY KEY)`)
const history = (bodies: ReadonlyArray<Migration.Migration["up"]>) =>
  Migrator.fromRecord(Object.fromEntries(bodies.map((up, i) => [`${i + 1}_r`, Migration.make({ up })])))

/** Until somebody outside of the migration can see the table, which is when it is committed. */
const seen = (client: SqlClient.SqlClient, name: string) =>
  Effect.repeat(Effect.delay(client.unsafe(`SELECT FROM pg_class WHERE relname = '${name}'`), 5), {
    until: (found) => found.length === 1
  })

/** A pool of its own, because inside of a migration the client's statements are the migration's. */
const outside = (url: string, name: string) =>
  Effect.provide(
    Effect.flatMap(sql, (client) => seen(client, name)),
    Database.layer({ url, applicationName: "outside" })
  )

describe("the end of an effect", () => {
  const firsts: Readonly<Record<string, Migration.Migration["up"]>> = {
    "a statement": run("SELECT 1 AS one"),
    "a statement with parameters": Effect.flatMap(sql, (sql) => sql`SELECT ${1}::int AS one`),
    "arrays of values": Effect.flatMap(sql, (sql) => sql`SELECT 1 AS one`.values),
    "the driver's own answer": Effect.flatMap(sql, (sql) => sql`SELECT 1 AS one`.raw),
    "several statements": run("SELECT 0 AS none; SELECT 1 AS one"),
    "a comment": run("-- nothing"),
    "a transaction within": Effect.flatMap(sql, (sql) => sql.withTransaction(sql`SELECT 1 AS one`)),
    "a stream": Effect.flatMap(sql, (sql) => Stream.runCollect(sql`SELECT 1 AS one`.stream))
  }
  for (const [what, first] of Object.entries(firsts)) {
    it.live(`goes along with ${what}, which is answered as ever`, () =>
      on(postgres, () =>
        Effect.gen(function* () {
          const answers: Array<unknown> = []
          const asked = Effect.tap(first, (answer) => {
            const { rows } = answer as { readonly rows?: unknown }
            answers.push(JSON.parse(JSON.stringify(rows ?? answer)))
          })
          // The first of all has no end in front of it.
          const loader = history([asked, create("t2"), asked, Effect.zipRight(asked, create("t4"))])
          yield* Migrator.up({ loader })
          expect(answers[0]).toBeDefined()
          expect(answers).toEqual([answers[0], answers[0], answers[0]])
          expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0", "4 applied 0"])
          expect(yield* rows("SELECT count(DISTINCT xmin::text) AS n FROM aquifer_migrations")).toEqual([{ n: "4" }])
          expect(yield* tables).toEqual(["t2", "t4"])
        })
      )
    )
  }

  it.live("goes by itself where the next one has something else to do first", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const waits = Effect.zipRight(outside(url, "t1"), create("t2"))
        yield* Migrator.up({ loader: history([create("t1"), waits, create("t3")]) })
        expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0"])
      })
    )
  )

  it.live("holds when the statement it went along with is given up", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        const given = Effect.race(run("SELECT pg_sleep(60)"), outside(url, "t1"))
        const error = yield* refusal(Migrator.up({ loader: history([create("t1"), given, create("t3")]) }))
        expect(error.revision).toBe("2_r")
        expect(yield* ledger).toEqual(["1 applied 0"])
        expect(yield* tables).toEqual(["t1"])
      })
    )
  )

  it.live("holds when the statement it went along with is refused, which says where in its own text", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const text = "CREATE TABLE t2 (id nonsense)"
        const error = yield* refusal(Migrator.up({ loader: history([create("t1"), run(text), create("t3")]) }))
        expect(error).toMatchObject({ revision: "2_r", statement: text })
        expect((error.cause as DatabaseError).position).toBe(text.indexOf("nonsense") + 1)
        expect(yield* ledger).toEqual(["1 applied 0"])
        yield* Migrator.up({ loader: history([create("t1"), create("t2"), create("t3")]) })
        expect(yield* tables).toEqual(["t1", "t2", "t3"])
      })
    )
  )

  it.live("takes a body that goes on after a refusal no further", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const last: Array<string> = []
        const stubborn = Effect.ignore(run("SELECT nonsense")).pipe(
          Effect.zipRight(create("t3")),
          Effect.tap(() => last.push("went on"))
        )
        // Refused by COMMIT, behind which the session would be free for anything.
        const broken = Effect.zipRight(
          run("CREATE TABLE t2 (id integer REFERENCES t1 DEFERRABLE INITIALLY DEFERRED)"),
          run("INSERT INTO t2 VALUES (1)")
        )
        const error = yield* refusal(Migrator.up({ loader: history([create("t1"), broken, stubborn]) }))
        expect(error).toMatchObject({ revision: "2_r", cause: { _tag: "ForeignKeyViolation" } })
        expect(last).toEqual([])
        expect(yield* tables).toEqual(["t1"])
      })
    )
  )

  it.live("costs no message of its own", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      let sent = 0
      const counted = Effect.sync(() => {
        sent++
      })
      const counting = (connection: DriverConnection): DriverConnection => ({
        ...connection,
        run: (request) => Effect.zipRight(counted, connection.run(request)),
        script: (text) => Effect.zipRight(counted, connection.script(text))
      })
      const messages = (schema: string, count: number) =>
        Effect.gen(function* () {
          const loader = history(Array.from({ length: count }, (_, i) => create(`${schema}${i}`)))
          sent = 0
          yield* Migrator.up({ loader, table: schema })
          return sent
        }).pipe(
          Effect.provide(Database.layer({ url })),
          Effect.locally(Interposed.interposer, (_, dialect) =>
            Effect.succeed({
              dialect: { ...dialect, connect: (config, role) => Effect.map(dialect.connect(config, role), counting) },
              lease: ({ lease }) => lease
            })
          )
        )
      const few = yield* messages("few", 3)
      const many = yield* messages("many", 13)
      expect(many - few).toBe(10)
    }).pipe(Effect.scoped)
  )
})
