/**
 * `aquifer health`: one question to the database and what the answer was. A database that does not answer is a result, with
 * exit code 1.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { protect } from "../model/config/redacted.js"
import { describeTarget } from "../model/DatabaseConfig.js"
import * as Health from "../observe/Health.js"
import { type Command, onDatabase } from "./Command.js"
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

const render = (shown: Shown, style: Style): ReadonlyArray<string> =>
  rows(style, [
    ["database", style.bold(shown.database)],
    ...(shown.version === undefined ? [] : [["server", `${called(shown.product)} ${shown.version}`] as const]),
    [
      "health",
      shown.status === "up" ? `${style.green("up")}, answers in ${millis(shown.millis ?? 0)}` : style.red("down")
    ],
    ...Object.entries(shown.facts ?? {}).map(([name, value]) => ["", style.dim(`${name} ${String(value)}`)] as const)
  ])

/** @since 0.1.0 @category commands */
export const health: Command = {
  name: "health",
  summary: "whether the database answers, and how fast; exits 1 when it does not",
  takes: ["url", "config", "json"],
  run: (options) =>
    Effect.gen(function* () {
      const terminal = yield* Terminal
      const config = yield* Target.resolve(options)
      const database = describeTarget(config)
      // A layer that must not connect: what is down is the check's to find out.
      const report = yield* onDatabase(protect({ ...config, connect: "lazy" }), Health.check)
      const [problem] = report.status === "down" ? lines(Cause.fail(report.error), database) : []
      const shown: Shown =
        report.status === "up"
          ? {
              database,
              product: report.product,
              status: "up",
              millis: Duration.toMillis(report.latency),
              version: report.version,
              facts: report.facts
            }
          : { database, product: report.product, status: "down", ...(problem === undefined ? {} : { error: problem }) }
      yield* terminal.print(options.json ? JSON.stringify(shown, null, 2) : render(shown, terminal.style).join("\n"))
      if (problem !== undefined) yield* terminal.complain(problem)
      return report.status === "up" ? 0 : 1
    })
}
