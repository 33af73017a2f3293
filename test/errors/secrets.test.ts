/** A password that was given, right or wrong, is looked for in everything a failing database leaves behind. */
import { inspect } from "node:util"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import type * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { Database, DatabaseConfig, DatabaseError, Health, Transaction } from "effect-aquifer"
import { freshDatabase, freshRole } from "../support/server.js"
import { canary, firstUse, obstacles, opening } from "./postgresDoor.js"

/** Everything an error may be printed as. */
const printed = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    inspect(value),
    inspect(value, { depth: Infinity, showHidden: true, getters: true }),
    inspect(value, { depth: Infinity, showHidden: true, customInspect: false }),
    Inspectable.toStringUnknown(value),
    value instanceof Error ? `${value.stack}` : "",
    JSON.stringify({ ...(value as object) })
  ].join("\n")

interface Trace {
  readonly name: string
  readonly notes: Array<unknown>
}

/** What the program logged, traced and counted, with its exit. */
const traces = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const spans: Array<Trace> = []
    const keep = <O>(logger: Logger.Logger<unknown, O>) =>
      Logger.map(
        logger,
        (line) => void lines.push(typeof line === "string" ? line : inspect(line, { depth: Infinity }))
      )
    const logger = Logger.replace(
      Logger.defaultLogger,
      Logger.zip(Logger.zip(keep(Logger.stringLogger), keep(Logger.jsonLogger)), keep(Logger.structuredLogger))
    )
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const notes: Array<unknown> = []
        spans.push({ name, notes })
        const span: Tracer.Span = {
          _tag: "Span",
          name,
          spanId: `${spans.length}`,
          traceId: "trace",
          parent: parent as Option.Option<Tracer.AnySpan>,
          context: context as Context.Context<never>,
          links: [...links],
          kind,
          sampled: true,
          status: { _tag: "Started", startTime },
          attributes: new Map(),
          end: (_, exit) => void notes.push(exit, Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit.value),
          attribute: (key, value) => void notes.push([key, value]),
          event: (name, _, attributes) => void notes.push([name, attributes]),
          addLinks: () => undefined
        }
        return span
      },
      context: (run) => run()
    })
    const exit = yield* Effect.exit(
      program.pipe(
        Effect.tapErrorCause((cause) => Effect.logError("it failed", cause)),
        Effect.withSpan("the program"),
        Effect.withTracer(tracer),
        Effect.provide(logger),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
    )
    const metrics = yield* Metric.snapshot
    return { exit, lines, spans, metrics }
  })

const everything = (seen: Effect.Effect.Success<ReturnType<typeof traces>>): string =>
  [
    ...seen.lines,
    ...seen.spans.flatMap(({ name, notes }) => [name, ...notes.map(printed)]),
    inspect(seen.metrics, { depth: Infinity }),
    printed(seen.exit),
    Exit.isFailure(seen.exit)
      ? [Cause.pretty(seen.exit.cause, { renderErrorCause: true }), printed(Cause.squash(seen.exit.cause))].join("\n")
      : ""
  ].join("\n")

describe("a password is nowhere when", () => {
  for (const { title, url, options } of obstacles) {
    it.scopedLive(`the layer meets ${title}`, () =>
      Effect.gen(function* () {
        const seen = yield* traces(opening({ url: yield* url, ...options }))
        expect(Exit.isFailure(seen.exit)).toBe(true)
        expect(everything(seen)).toContain("it failed")
        expect(everything(seen)).not.toContain(canary)
      })
    )
  }

  it.scopedLive("a transaction is tried again and again on a server that is not there", () =>
    Effect.gen(function* () {
      const url = `postgres://u:${canary}@127.0.0.1:1/d`
      const program = Transaction.run(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT ${canary}::text AS a`),
        { retry: { maxRetries: 2, baseDelay: "1 millis" } }
      )
      const seen = yield* traces(Effect.provide(program, Database.layer({ url, connect: "lazy" })))
      const text = everything(seen)
      expect(seen.spans.map(({ name }) => name)).toEqual(expect.arrayContaining(["sql.transaction"]))
      expect(text).toContain("transaction attempt failed")
      expect(text).toContain("RetriesExhausted")
      expect(text).not.toContain(canary)
    })
  )

  it.scopedLive("health reports that the database is down", () =>
    Effect.gen(function* () {
      const url = `postgres://u:${canary}@127.0.0.1:1/d`
      const seen = yield* traces(Effect.provide(Health.check, Database.layer({ url, connect: "lazy" })))
      expect(printed(seen.exit)).toContain("nothing listens on")
      expect(everything(seen)).not.toContain(canary)
    })
  )

  it.scopedLive("a working database is asked, fails, and is looked into", () =>
    Effect.gen(function* () {
      const role = yield* freshRole(yield* freshDatabase)
      const program = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.logInfo("the configuration", yield* DatabaseConfig.DatabaseConfig)
        yield* Effect.logInfo("the client", sql, yield* Health.check)
        return yield* sql`SELECT * FROM nowhere WHERE a = ${"sent-by-us"}`
      })
      const seen = yield* traces(Effect.provide(program, Database.layer({ url: role.url })))
      const text = everything(seen)
      expect(text).toContain("SqlSyntaxError")
      expect(text).toContain("SELECT * FROM nowhere WHERE a = $1")
      expect(text).not.toContain(role.password)
      // Nor does a value that was sent, anywhere: the server said nothing of it.
      expect(text).not.toContain("sent-by-us")
    })
  )

  it.scopedLive("code without Effect is told", () =>
    Effect.gen(function* () {
      for (const { url, options } of obstacles.slice(0, 1)) {
        const thrown = yield* Effect.promise(async () => {
          try {
            await Effect.runPromise(firstUse({ url: await Effect.runPromise(Effect.scoped(url)), ...options }))
            return undefined
          } catch (error) {
            return error
          }
        })
        expect(DatabaseError.find(thrown)?._tag).toBe("ConnectionError")
        expect(printed(thrown)).not.toContain(canary)
      }
    })
  )
})
