/** SQLite always knows how a transaction ended: whatever fails at COMMIT, it is never unknown. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Database, DatabaseError, Transaction } from "effect-aquifer"
import { temporaryFolder } from "../contract/products.js"

const tagOf = (effect: Effect.Effect<unknown, unknown, SqlClient.SqlClient>) =>
  Effect.map(Effect.flip(effect), (error) => DatabaseError.find(error))

for (const journal of ["WAL", "DELETE"]) {
  it.scopedLive(
    `a file that is gone at COMMIT (journal_mode=${journal}): a failure, or success; nothing in between`,
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "gone.db")
        const exit = yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE t (n INTEGER)`
          const body = Effect.tap(sql`INSERT INTO t VALUES (1)`, () => Effect.sync(() => rmSync(path)))
          return yield* Effect.either(Transaction.run(body, { retry: "never" }))
        }).pipe(Effect.provide(Database.layer({ url: `sqlite:${path}?journal_mode=${journal}` })))
        if (exit._tag === "Left") {
          expect(DatabaseError.find(exit.left)?._tag).not.toBe("CommitUnknown")
          expect(DatabaseError.find(exit.left)).toBeDefined()
        }
      })
  )
}

it.scopedLive("a constraint at COMMIT is that constraint, and nothing is there", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
    yield* sql`CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`
    const error = yield* tagOf(Transaction.run(sql`INSERT INTO children VALUES (1)`))
    expect(error?._tag).toBe("ForeignKeyViolation")
    expect(yield* sql`SELECT * FROM children`).toEqual([])
  }).pipe(Effect.provide(Database.layer({ url: "sqlite::memory:" })))
)
