/** Effects whose ends travel with what comes behind them: still one transaction each, and none without those before it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { Database, Migration, Migrator } from "effect-aquifer"
import { ledger, on, products, refusal, rows, tables } from "./support.js"

const [, postgres] = products as [(typeof products)[0], (typeof products)[0]]
const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
const create = (name: string) => run(`CREATE TABLE ${name} (id integer PRIMARY KEY)`)
const history = (bodies: ReadonlyArray<Migration.Migration["up"]>) =>
  Migrator.fromRecord(
    Object.fromEntries(
      bodies.map((up, i) => [`${i + 1}_r`, Migration.make({ up, down: run(`DROP TABLE IF EXISTS t${i + 1}`) })])
    )
  )
const first = [create("t1"), create("t2"), create("t3")]

describe("effects one behind the other", () => {
  it.live("are committed each alone, in their order, there and back", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const loader = history([...first, create("t4")])
        const { applied } = yield* Migrator.up({ loader })
        expect(applied.map((one) => one.id)).toEqual(["1", "2", "3", "4"])
        expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0", "4 applied 0"])
        const alone = yield* rows("SELECT count(DISTINCT xmin::text) AS n FROM aquifer_migrations")
        expect(alone).toEqual([{ n: "4" }])
        // A table's row in the catalogue and its revision's in the ledger are one transaction's.
        const pairs = yield* rows(
          "SELECT l.id FROM aquifer_migrations l JOIN pg_class c ON c.relname = 't' || l.id AND c.xmin = l.xmin"
        )
        expect(pairs).toHaveLength(4)
        const { reverted } = yield* Migrator.down({ loader, steps: 3 })
        expect(reverted.map((one) => one.id)).toEqual(["4", "3", "2"])
        expect(yield* tables).toEqual(["t1"])
      })
    )
  )

  it.live("have a span each, where somebody looks at spans", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const names: Array<string> = []
        const plain = yield* Effect.tracer
        const tracer = Tracer.make({
          context: plain.context,
          span: (name, ...rest) => {
            names.push(name)
            return plain.span(name, ...rest)
          }
        })
        yield* Effect.withTracer(Migrator.up({ loader: history(first) }), tracer)
        expect(names.filter((name) => name.startsWith("migrate"))).toEqual([
          "migrate up 1_r",
          "migrate up 2_r",
          "migrate up 3_r"
        ])
      })
    )
  )

  const refused = {
    // The server says so only at the end.
    "COMMIT is refused": Effect.zipRight(
      run("CREATE TABLE a (id integer PRIMARY KEY)"),
      Effect.zipRight(
        run("CREATE TABLE b (a integer REFERENCES a DEFERRABLE INITIALLY DEFERRED)"),
        run("INSERT INTO b VALUES (1)")
      )
    ),
    "the row is refused": run("ALTER TABLE aquifer_migrations ADD CONSTRAINT full_up CHECK (id <> '3')")
  }
  for (const [what, up] of Object.entries(refused)) {
    it.live(`one whose end fails because ${what} is named, and nothing behind it is done`, () =>
      on(postgres, () =>
        Effect.gen(function* () {
          const went: Array<string> = []
          const later = (name: string) =>
            create(name).pipe(
              Effect.exit,
              Effect.tap((exit) => Effect.sync(() => went.push(`${name} ${Exit.isSuccess(exit)}`))),
              Effect.flatten
            )
          const error = yield* refusal(
            Migrator.up({ loader: history([create("t1"), create("t2"), up, later("t4"), later("t5")]) })
          )
          expect(error).toMatchObject({ reason: "failed", revision: "3_r" })
          expect(error.cause).toMatchObject({
            _tag: what === "COMMIT is refused" ? "ForeignKeyViolation" : "CheckViolation"
          })
          expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0"])
          expect(yield* tables).toEqual(["t1", "t2"])
          // The statement of the next one was on its way; its code was not told that it holds.
          expect(went).not.toContain("t4 true")
          expect(went).not.toContain("t5 true")
        })
      )
    )
  }

  it.live("interrupted in one of them, those before it stay, and it leaves nothing", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(
          Migrator.up({ loader: history([...first, Effect.zipRight(create("t4"), run("SELECT pg_sleep(60)"))]) })
        )
        const sleeping = rows(
          "SELECT 1 AS one FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        )
        yield* Effect.repeat(Effect.delay(sleeping, 10), { until: (found) => found.length === 1 })
        expect(Exit.isInterrupted(yield* Fiber.interrupt(running))).toBe(true)
        expect(yield* sleeping).toEqual([])
        expect(yield* tables).toEqual(["t1", "t2", "t3"])
        expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0"])
      })
    )
  )

  it.live("one that is kept from its lock is tried again alone, and the others follow", () =>
    on(postgres, (url) =>
      Effect.gen(function* () {
        yield* create("x")
        const locked = yield* Effect.makeLatch()
        const tried = yield* Effect.makeLatch()
        const holder = Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(sql`LOCK TABLE x`.pipe(Effect.zipRight(locked.open), Effect.zipRight(tried.await)))
        )
        yield* Effect.forkScoped(Effect.provide(holder, Database.layer({ url })))
        yield* locked.await
        let tries = 0
        const waits = Effect.gen(function* () {
          tries++
          if (tries === 2) yield* tried.open
          yield* run(`SET LOCAL lock_timeout = '${tries === 1 ? 50 : 5000}ms'`)
          yield* run("ALTER TABLE x ADD COLUMN more text")
        })
        yield* Migrator.up({ loader: history([create("t1"), waits, create("t3"), create("t4")]) })
        expect(tries).toBe(2)
        expect(yield* ledger).toEqual(["1 applied 0", "2 applied 0", "3 applied 0", "4 applied 0"])
      })
    )
  )

  it.live("one that cannot be loaded, or has no way back, stops there", () =>
    on(postgres, () =>
      Effect.gen(function* () {
        const up = create("t3")
        const loader = Migrator.fromRecord({
          "1_r": Migration.make({ up: create("t1"), down: run("DROP TABLE t1") }),
          "2_r": Migration.make({ up: create("t2") }),
          "3_r": Migration.make({ up, down: run("DROP TABLE t3") })
        })
        yield* Migrator.up({ loader })
        expect((yield* refusal(Migrator.down({ loader, to: "base" }))).reason).toBe("irreversible")
        expect(yield* tables).toEqual(["t1", "t2"])
        const broken = Migrator.fromRecord({
          "1_r": Migration.make({ up: create("t1") }),
          "2_r": Migration.make({ up: create("t2") }),
          "3_r": Migration.make({ up }),
          "4_r": {} as Migration.Migration
        })
        expect(yield* refusal(Migrator.up({ loader: broken }))).toMatchObject({ reason: "bad-module", revision: "4_r" })
        expect(yield* tables).toEqual(["t1", "t2", "t3"])
      })
    )
  )

  it.live(
    "a body that says nothing, swallows a refusal, or ends the transaction itself is found out where it stands",
    () =>
      on(postgres, () =>
        Effect.gen(function* () {
          const nothing = history([create("t1"), Effect.void, create("t3")])
          yield* Migrator.up({ loader: nothing })
          expect(yield* ledger).toHaveLength(3)
          yield* Migrator.to("base", { loader: nothing })
          const swallowing = history([create("t1"), Effect.ignore(run("SELECT nonsense")), create("t3")])
          expect(yield* refusal(Migrator.up({ loader: swallowing }))).toMatchObject({
            revision: "2_r",
            cause: { _tag: "TransactionAborted" }
          })
          expect(yield* tables).toEqual(["t1"])
          const ending = history([create("t1"), run("COMMIT"), create("t3")])
          expect((yield* refusal(Migrator.up({ loader: ending }))).message).toContain("ended the transaction")
          expect(yield* ledger).toEqual(["1 applied 0"])
        })
      )
  )
})
