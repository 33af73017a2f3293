/** Migrations whose server takes no writes any more: they begin anew on the primary, or say so; never success with nothing done. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, DatabaseError, Migration, Migrator } from "effect-aquifer"
import { eventually } from "../reliability/world.js"
import { query } from "../support/server.js"
import { sharedPair } from "../support/sharedPair.js"
import { refusal } from "./support.js"

const shared = sharedPair()
const { promise } = shared

const on = <A, E>(url: string, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, Database.layer({ url, ssl: "disable" }))

/** A history in a ledger of its own, so that the tests do not see one another's. */
const history = (
  name: string,
  count: number,
  during: (n: number) => Effect.Effect<unknown, unknown, SqlClient.SqlClient> = () => Effect.void
) => ({
  table: `ledger_${name}`,
  loader: Migrator.fromRecord(
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `${i + 1}_r`,
        Migration.make({
          up: Effect.flatMap(SqlClient.SqlClient, (sql) =>
            Effect.zipRight(sql.unsafe(`CREATE TABLE ${name}_${i + 1} (id integer)`), during(i + 1))
          )
        })
      ])
    )
  )
})

const ids = (all: ReadonlyArray<{ readonly id: string }>) => all.map(({ id }) => id)
const tables = (url: string, name: string) =>
  Effect.map(
    query(url, "SELECT tablename FROM pg_tables WHERE tablename LIKE $1 ORDER BY 1", [`${name}\\_%`]),
    (found) => found.map((row) => row.tablename)
  )

describe("migrations that meet a server that takes no writes", () => {
  promise("a standby that stands first in the URL: they are run on the primary", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const options = history("first", 3)
      const url = both(standby, primary)
      expect(yield* on(url, Migrator.up(options))).toMatchObject({ already: 0, applied: [{}, {}, {}] })
      expect(yield* tables(primary.url, "first")).toEqual(["first_1", "first_2", "first_3"])
      yield* shared.servers.caughtUp
      // At the head a standby's word is enough.
      expect(yield* on(url, Migrator.up(options))).toMatchObject({ already: 3, applied: [] })
      expect(
        yield* on(
          url,
          Effect.map(Migrator.stamp("1", options), (done) => ({ ...done, removed: [...done.removed].sort() }))
        )
      ).toMatchObject({ added: [], removed: ["2_r", "3_r"] })
      expect(yield* query(primary.url, "SELECT id FROM ledger_first")).toEqual([{ id: "1" }])
    })
  )

  promise("a standby alone: a typed failure that says so, and nothing done", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      const options = history("alone", 2)
      const error = yield* Effect.flip(on(both(standby), Migrator.up(options)))
      expect(error).toMatchObject({ _tag: "ConnectionError", sqlState: "25006", cause: { _tag: "ReadOnlyError" } })
      expect(error.message).toMatch(/takes no writes, it is no primary.*target_session_attrs=read-write/)
      expect(yield* tables(primary.url, "alone")).toEqual([])
    })
  )

  promise("a primary that somebody made read only for this role: that is told, and nobody looks elsewhere", () =>
    Effect.gen(function* () {
      const { both, primary } = shared.servers
      const url = `${both(primary)}?options=-c%20default_transaction_read_only%3Don`
      expect(yield* Effect.flip(on(url, Migrator.up(history("wanted", 1))))).toMatchObject({ _tag: "ReadOnlyError" })
    })
  )

  // The last: both are primaries from here on.
  promise("a primary fenced off in the middle: what is left is said, and done on the promoted one", () =>
    Effect.gen(function* () {
      const { both, primary, standby } = shared.servers
      let fenced = false
      const fence = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        fenced = true
        yield* query(primary.url, "ALTER SYSTEM SET default_transaction_read_only = on")
        yield* query(primary.url, "SELECT pg_reload_conf()")
        yield* query(standby.url, "SELECT pg_promote(true, 30)")
        const setting = sql<{ value: string }>`SELECT current_setting('default_transaction_read_only') AS value`
        yield* eventually("its own session is fenced", setting, ([row]) => row?.value === "on")
      })
      const options = history("fenced", 3, (n) => (n === 2 && !fenced ? fence : Effect.void))
      const url = both(primary, standby)
      yield* on(
        url,
        Effect.gen(function* () {
          const error = yield* refusal(Migrator.up(options))
          expect(error).toMatchObject({ reason: "failed", revision: "3_r", cause: { _tag: "ConnectionError" } })
          expect(error.message).toMatch(/takes no writes.*Run again/)
          expect(DatabaseError.find(error)?.sqlState).toBe("25006")
          // The second was committed behind the promotion, where nobody will look for it any more.
          expect(yield* tables(primary.url, "fenced")).toEqual(["fenced_1", "fenced_2"])
          expect(ids((yield* Migrator.up(options)).applied).at(-1)).toBe("3")
          expect(yield* tables(standby.url, "fenced")).toEqual(["fenced_1", "fenced_2", "fenced_3"])
        })
      )
      // Whoever comes anew meets the fenced one first.
      const later = history("later", 2)
      expect(ids((yield* on(url, Migrator.up(later))).applied)).toEqual(["1", "2"])
      expect(yield* tables(standby.url, "later")).toEqual(["later_1", "later_2"])
      expect(yield* tables(primary.url, "later")).toEqual([])
    })
  )
})
