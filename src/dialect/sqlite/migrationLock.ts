/**
 * The migration lock, and what holds only under it: foreign keys are not enforced while revisions run, because a table
 * that is rebuilt would take along what refers to it, and SQLite changes that setting outside transactions alone. So
 * before each COMMIT `settled` counts the rows that refer to nothing, and refuses when there are more than before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../../Dialect.js"
import { type DatabaseError, ForeignKeyViolation } from "../../model/DatabaseError.js"
import { migrationLock as fileLock } from "./lock.js"

const dangling = `SELECT "table" AS child, parent, count(*) AS n FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2`

const rows = (own: DriverConnection, text: string) =>
  Effect.map(own.run({ text, params: [], prepare: false, rows: "objects" }), (reply) => reply.rows)

interface Dangling {
  readonly child: string
  readonly parent: string
  readonly n: number
}

const pair = (row: Dangling): string => `${row.child}\n${row.parent}`

/** @since 0.1.0 @category dialect */
export const migrationLock: Dialect["migrationLock"] = Effect.fnUntraced(function* (own, name, config) {
  const lock = yield* fileLock(own, name, config)
  const [setting] = yield* rows(own, "PRAGMA foreign_keys")
  if (Number(setting?.foreign_keys) !== 1) return lock
  yield* Effect.acquireRelease(rows(own, "PRAGMA foreign_keys = OFF"), () =>
    Effect.ignore(rows(own, "PRAGMA foreign_keys = ON"))
  )
  const before = new Map(
    ((yield* rows(own, dangling)) as ReadonlyArray<Dangling>).map((row) => [pair(row), Number(row.n)])
  )
  const check: Effect.Effect<void, DatabaseError> = Effect.flatMap(rows(own, dangling), (found) => {
    const more = (found as ReadonlyArray<Dangling>).find((row) => Number(row.n) > (before.get(pair(row)) ?? 0))
    return more === undefined
      ? Effect.void
      : Effect.fail(
          new ForeignKeyViolation({
            operation: "migrate",
            reason: `${more.n} row(s) of "${more.child}" refer to nothing in "${more.parent}"`,
            table: more.child,
            hint: "Foreign keys act only when migrations are over: delete or change the rows that refer, then what they refer to"
          })
        )
  })
  return { fence: lock.fence, settled: check }
})
