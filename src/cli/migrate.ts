/**
 * `aquifer migrate up`, `down` and `status`. What takes something away asks to be told `--yes`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Migrator from "../migration/Migrator.js"
import { type Command, onDatabase } from "./Command.js"
import { lines } from "./Failure.js"
import { millis, plural, rows } from "./layout.js"
import { type Options, usageError } from "./Options.js"
import * as Target from "./Target.js"
import { type Style, Terminal } from "./Terminal.js"

const where = (options: Options): Migrator.Options => ({ directory: options.directory ?? "migrations" })

const say = <A>(options: Options, result: A, render: (result: A, style: Style) => ReadonlyArray<string>) =>
  Effect.flatMap(Terminal, (terminal) =>
    terminal.print(options.json ? JSON.stringify(result, null, 2) : render(result, terminal.style).join("\n"))
  )

const count = (n: number, what: string): string => `${plural(n, "migration", "migrations")} ${what}`

const done = (report: Migrator.Report, style: Style): ReadonlyArray<string> => [
  ...rows(style, [
    ...report.reverted.map((one) => ["reverted", `${one.id}_${one.name}  ${style.dim(millis(one.millis))}`] as const),
    ...report.applied.map((one) => ["applied", `${one.id}_${one.name}  ${style.dim(millis(one.millis))}`] as const)
  ]),
  `  ${[
    ...(report.reverted.length > 0 ? [count(report.reverted.length, "reverted")] : []),
    ...(report.applied.length > 0 ? [count(report.applied.length, "applied")] : []),
    ...(report.applied.length + report.reverted.length === 0 ? ["nothing to do"] : []),
    `${report.already} already there`
  ].join(", ")}`
]

const standing = (status: Migrator.Status, style: Style): ReadonlyArray<string> => [
  ...rows(
    style,
    status.revisions.map((line) => [
      line.standing,
      `${line.id}_${line.name}${line.appliedAt === undefined ? "" : style.dim(`  ${line.appliedAt.toISOString()}`)}`
    ])
  ),
  `  ${status.applied} applied, ${status.pending} pending${status.atHead ? style.green("  up to date") : ""}`
]

/** @since 0.1.0 @category commands */
export const up: Command = {
  name: "migrate up",
  summary: "apply what is pending",
  takes: ["url", "config", "directory", "steps", "json"],
  run: (options) =>
    Effect.gen(function* () {
      const config = yield* Target.resolve(options)
      const report = yield* onDatabase(config, Migrator.up({ ...where(options), steps: options.steps }))
      yield* say(options, report, done)
      return 0 as const
    })
}

/** @since 0.1.0 @category commands */
export const down: Command = {
  name: "migrate down",
  summary: "take back the last migration, or the last --steps N; needs --yes",
  takes: ["url", "config", "directory", "steps", "yes", "json"],
  run: (options) =>
    Effect.gen(function* () {
      if (!options.yes) {
        return yield* Effect.fail(
          usageError("taking back a migration may take its data along. Write --yes if that is what you want")
        )
      }
      const config = yield* Target.resolve(options)
      const report = yield* onDatabase(config, Migrator.down({ ...where(options), steps: options.steps ?? 1 }))
      yield* say(options, report, done)
      return 0 as const
    })
}

/** @since 0.1.0 @category commands */
export const status: Command = {
  name: "migrate status",
  summary: "what is applied and what is pending; exits 3 when anything is pending or differs",
  takes: ["url", "config", "directory", "json"],
  run: (options) =>
    Effect.gen(function* () {
      const terminal = yield* Terminal
      const config = yield* Target.resolve(options)
      const found = yield* onDatabase(config, Migrator.status(where(options)))
      yield* say(options, { ...found, problems: found.problems.map((problem) => problem.message) }, (shown, style) =>
        standing({ ...shown, problems: [] }, style)
      )
      for (const problem of found.problems) {
        yield* Effect.forEach(lines(Cause.fail(problem)), terminal.complain)
      }
      return found.atHead ? 0 : 3
    })
}
