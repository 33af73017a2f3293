/**
 * A SQLite session behind the seam. Everything runs when it is asked for and has run when the answer is there, so there
 * is nothing to cancel, nothing pending and nothing to lose; what takes time is another process's lock, and a stream
 * whose reader is slow.
 *
 * @since 0.1.0
 */
import { SafeIntegers } from "@effect/sql/SqlClient"
import type Sqlite from "better-sqlite3"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as RuntimeFiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DriverConnection, Reply, Request } from "../../Dialect.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError } from "../../model/DatabaseError.js"
import { classify, isBusy } from "./classify.js"
import { close, open, settings } from "./connect.js"
import { register } from "./functions.js"
import { brief, patiently, usual, type Waiting } from "./patience.js"
import { identity, type Place, read } from "./place.js"
import * as Session from "./session.js"
import { control, type Part, split, verb } from "./tokens.js"

/** Rows read in one go by a stream: some 0.1 ms of other fibers' time. */
const piece = 256

/** @since 0.1.0 @category constructors */
export const connect = (
  config: DatabaseConfig,
  role: "writer" | "reader"
): Effect.Effect<DriverConnection, DatabaseError, Scope.Scope> =>
  Effect.suspend(() => {
    // A lease: whatever is open by then is closed, wherever the opening was interrupted.
    const held: { db?: Sqlite.Database; connection?: DriverConnection } = {}
    const release = Effect.suspend(() => held.connection?.destroy ?? Effect.sync(() => close(held.db)))
    let timeout = brief
    const waiting: Waiting = {
      limit: Duration.min(config.connectTimeout, config.lockTimeout ?? config.connectTimeout),
      repeatable: isBusy,
      blocking: (millis, attempt) => {
        timeout = millis
        return attempt()
      }
    }
    const opening = patiently(waiting, "connect", () => {
      const place = read(config.target, role)
      held.db = open(place, role, timeout, (db) => register(db, config.functions))
      held.connection = make(held.db, place, role, config)
      return held.connection
    })
    return Effect.zipRight(
      Effect.addFinalizer(() => release),
      opening
    )
  })

const queries = new Set(["SELECT", "VALUES", "EXPLAIN"])

/** What must stand alone: it is refused or has no effect inside a transaction. */
const alone = new Set(["PRAGMA", "VACUUM", "ATTACH", "DETACH"])

const make = (
  db: Sqlite.Database,
  place: Place,
  role: "writer" | "reader",
  config: DatabaseConfig
): DriverConnection => {
  const session = Session.make(db, place.readonly ? "reader" : role)
  const born = identity(place.path)
  const waiting: Waiting = {
    limit: config.lockTimeout ?? usual,
    repeatable: session.repeatable,
    blocking: (millis, attempt) => {
      db.pragma(`busy_timeout = ${millis}`)
      try {
        return attempt()
      } finally {
        if (db.open) db.pragma(`busy_timeout = ${brief}`)
      }
    }
  }

  const begun = <A, E, R>(request: Request, rest: Effect.Effect<A, E, R>): Effect.Effect<A, DatabaseError | E, R> => {
    const text = request.begin
    if (text === undefined) return rest
    return Effect.zipRight(
      patiently(waiting, "begin", () => session.execute(plain(text, "begin"))),
      rest
    )
  }

  const run = (request: Request): Effect.Effect<Reply, DatabaseError> =>
    begun(
      request,
      patiently(waiting, "execute", (fiber) => session.execute(order(request, "execute", fiber)))
    )

  const runNow: DriverConnection["runNow"] = (request, fiber) => {
    try {
      return Exit.succeed(session.execute(order(request, "execute", fiber)))
    } catch (cause) {
      const error = classify(cause, "execute")
      return session.repeatable(error) ? undefined : Exit.fail(error)
    }
  }

  const stream: DriverConnection["stream"] = (request) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const held: { cursor?: Session.Cursor } = {}
        yield* Effect.addFinalizer(() => Effect.sync(() => held.cursor?.close()))
        const cursor = yield* begun(
          request,
          patiently(waiting, "stream", (fiber) => {
            held.cursor = session.cursor(order(request, "stream", fiber), piece)
            return held.cursor
          })
        )
        return Stream.repeatEffectChunkOption(
          Effect.suspend(() => {
            try {
              const rows = cursor.next()
              return rows.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.of(rows))
            } catch (cause) {
              return Effect.fail(Option.some(classify(cause, "stream")))
            }
          })
        )
      })
    )

  /** As one message to PostgreSQL: without a transaction of its own, a text of several statements is one. */
  const script = (text: string): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> =>
    Effect.suspend(() => {
      const parts = split(text)
      const step = (part: Part, index: number) =>
        session.execute({
          ...plain(part.text, operationOf(part)),
          prepare: parts.length === 1,
          where: whereOf(parts, index)
        })
      const whole =
        parts.length > 1 &&
        session.status() === "idle" &&
        parts.some((part) => !queries.has(verb(part.words))) &&
        !parts.some((part) => control(part.words) !== "none" || alone.has(part.words[0] ?? ""))
      return whole
        ? patiently(waiting, "execute", () => session.together("execute", () => parts.map(step)))
        : Effect.forEach(parts, (part, index) => patiently(waiting, operationOf(part), () => step(part, index)))
    })

  const destroy = Effect.sync(() => {
    try {
      session.clear()
    } catch {
      // Closing rolls back what is open.
    }
    close(db)
  })

  const reset = Effect.try({
    try: () => {
      session.clear()
      db.pragma("query_only = 0")
      for (const statement of temporary(db)) db.exec(statement)
      settings(db, place, role)
    },
    catch: (cause) => classify(cause, "reset")
  })

  const ping = Effect.try({
    try: () => {
      if (!place.memory && identity(place.path) !== born) {
        session.broken()
        throw new ConnectionError({
          operation: "ping",
          phase: "idle",
          sent: false,
          reason: `the file ${place.path} was removed or replaced since it was opened`
        })
      }
      db.prepare("SELECT 1").get()
    },
    catch: (cause) => classify(cause, "ping")
  })

  return {
    run,
    runNow,
    script,
    stream,
    cancel: Effect.void,
    status: session.status,
    pending: () => 0,
    busySince: () => 0,
    lost: Effect.never,
    ping,
    reset,
    destroy,
    notifications: Option.none(),
    copy: Option.none()
  }
}

const plain = (text: string, operation: string): Session.Order => ({
  text,
  params: [],
  prepare: true,
  rows: "objects",
  operation,
  exact: false
})

const order = (
  request: Request,
  operation: string,
  fiber: RuntimeFiber.RuntimeFiber<unknown, unknown>
): Session.Order => ({
  text: request.text,
  params: request.params,
  prepare: request.prepare,
  rows: request.rows,
  operation,
  // Its default is `false`; asked for by `Context.get`, that would be looked up anew each time.
  exact: fiber.currentContext.unsafeMap.get(SafeIntegers.key) === true,
  first: request.begin !== undefined
})

const operations = {
  begin: "begin",
  commit: "commit",
  rollback: "rollback",
  savepoint: "savepoint",
  none: "execute"
} as const

const operationOf = (part: Part): string => operations[control(part.words)]

const whereOf = (parts: ReadonlyArray<Part>, index: number) =>
  parts.length === 1
    ? undefined
    : { detail: `statement ${index + 1} of ${parts.length}`, position: (parts[index]?.start ?? 0) + 1 }

/** What undoes everything that lives in the session alone: temporary objects and attached files. */
const temporary = (db: Sqlite.Database): ReadonlyArray<string> => [
  ...db
    .prepare<[], { type: string; name: string }>(
      "SELECT type, name FROM sqlite_temp_master WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite_%' ORDER BY type = 'table'"
    )
    .all()
    .map(({ type, name }) => `DROP ${type} IF EXISTS temp."${name.replaceAll('"', '""')}"`),
  ...db
    .prepare<[], { name: string }>("SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")
    .all()
    .map(({ name }) => `DETACH DATABASE "${name.replaceAll('"', '""')}"`)
]
