/**
 * `aquifer health`: one question to the database and what the answer was. A database that does not answer is a result, with
 * exit code 1. With `--watch` it asks again and again, one line (or one JSON object) each time, until Ctrl-C.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Database from "../Database.js"
import { Dialect } from "../Dialect.js"
import * as Dialects from "../dialect/index.js"
import { protect } from "../model/config/redacted.js"
import { describeTarget } from "../model/DatabaseConfig.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as Health from "../observe/Health.js"
import { type Command, onDatabase, show, there } from "./Command.js"
import { lines } from "./Failure.js"
import { called, millis, rows } from "./layout.js"
import * as Target from "./Target.js"
import { type Style, Terminal } from "./Terminal.js"

interface Shown {
  readonly database: string
  readonly product: string
  readonly status: "up" | "down"
  readonly millis?: number
  readonly version?: string
  readonly facts?: Readonly<Record<string, unknown>>
  readonly error?: string
}

const state = (shown: Shown, style: Style): string =>
  shown.status === "up" ? `${style.green("up")}, answers in ${millis(shown.millis ?? 0)}` : style.red("down")

const render = (shown: Shown, style: Style): ReadonlyArray<string> =>
  rows(style, [
    ["database", style.bold(shown.database)],
    ...(shown.version === undefined ? [] : [["server", `${called(shown.product)} ${shown.version}`] as const]),
    ["health", state(shown, style)],
    ...Object.entries(shown.facts ?? {}).map(([name, value]) => ["", style.dim(`${name} ${String(value)}`)] as const)
  ])

const check = (database: string): Effect.Effect<Shown, DatabaseError, Database.Services> =>
  Effect.gen(function* () {
    const product = (yield* Dialect).name
    const report = yield* Effect.catchAll(Effect.zipRight(there, Health.check), (error) =>
      Effect.succeed({ status: "down", error } as const)
    )
    if (report.status === "up") {
      const { facts, latency, version } = report
      return { database, product, status: "up", millis: Duration.toMillis(latency), version, facts }
    }
    const [error] = lines(Cause.fail(report.error), database)
    return { database, product, status: "down", ...(error === undefined ? {} : { error }) }
  })

/** @since 0.1.0 @category commands */
export const health: Command = {
  name: "health",
  summary: "whether the database answers, and how fast; exits 1 when it does not",
  gives: ["database", "product", "status", "millis", "version", "facts"],
  takes: ["watch", "every"],
  run: (options) =>
    Effect.gen(function* () {
      const terminal = yield* Terminal
      const config = yield* Effect.flatMap(Target.resolve(options), Dialects.identified)
      const database = describeTarget(config)
      // A layer that must not connect: what is down is the check's to find out.
      const lazy = protect({ ...config, connect: "lazy" })
      if (options.watch) {
        const once = Effect.flatMap(Effect.zip(check(database), DateTime.now), ([shown, at]) =>
          terminal.print(
            options.json
              ? JSON.stringify({ at: DateTime.formatIso(at), ...shown })
              : `  ${terminal.style.dim(DateTime.formatIso(at))}  ${state(shown, terminal.style)}${shown.error === undefined ? "" : `  ${shown.error}`}`
          )
        )
        return yield* Effect.as(
          onDatabase(lazy, Effect.repeat(once, Schedule.spaced(Duration.seconds(options.every ?? 2)))),
          0 as const
        )
      }
      const shown = yield* onDatabase(lazy, check(database))
      yield* show(options, shown, render)
      if (shown.error !== undefined) yield* terminal.complain(shown.error)
      return shown.status === "up" ? 0 : 1
    })
}
