/**
 * `aquifer migrate up`, `down` and `to`: what runs migrations. What takes something away asks first.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { opened } from "../../migration/Desk.js"
import type * as Migrator from "../../migration/Migrator.js"
import * as Move from "../../migration/Move.js"
import { describeTarget } from "../../model/DatabaseConfig.js"
import { confirmed, type Run, show } from "../Command.js"
import { usageError } from "../Guard.js"
import { millis, plural, rows } from "../layout.js"
import { onDatabase } from "../onDatabase.js"
import type { Style } from "../Style.js"
import * as Target from "../Target.js"
import { watched } from "./source.js"

const count = (n: number, what: string): string => `${plural(n, "migration", "migrations")} ${what}`

const done = (report: Move.Report, style: Style): ReadonlyArray<string> => [
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

/** A revision and a number of steps both say how far. */
const howFar = (name: string, to: string | undefined, steps: number | undefined) =>
  to !== undefined && steps !== undefined
    ? Effect.fail(usageError(`aquifer ${name}: a revision and --steps both say how far. Give one of them`))
    : Effect.succeed({ ...(to === undefined ? {} : { to }), ...(steps === undefined ? {} : { steps }) })

/** @since 0.1.0 @category commands */
export const up: Run = (options, [to]) =>
  Effect.gen(function* () {
    const far = yield* howFar("migrate up", to, options.steps)
    const config = yield* Target.resolve(options)
    const report = yield* onDatabase(
      config,
      watched(options, (source) => Move.up({ ...source, ...far }))
    )
    yield* show(options, report, done)
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const down: Run = (options, [to]) =>
  Effect.gen(function* () {
    const far = yield* howFar("migrate down", to, options.steps)
    const config = yield* Target.resolve(options)
    const what =
      to === undefined
        ? `the last ${options.steps === undefined || options.steps === 1 ? "migration" : `${options.steps} migrations`}`
        : /^-\d+$/.test(to)
          ? `the last ${plural(Number(to.slice(1)), "migration", "migrations")}`
          : to === "base"
            ? "every migration"
            : "every migration after that revision"
    yield* confirmed(options, `this takes back ${what} on ${describeTarget(config)} and may take its data along`)
    const report = yield* onDatabase(
      config,
      watched(options, (source) => Move.down({ ...source, ...far }))
    )
    yield* show(options, report, done)
    return 0 as const
  })

/** Whether anything that is applied is not among what comes before the revision. */
const goesBack = (source: Migrator.Options, to: string) =>
  Effect.gen(function* () {
    if (to === "base" || to.startsWith("-")) return true
    if (to.startsWith("+")) return false
    const { at, seen } = yield* opened(source)
    return (yield* Move.targets(at, seen.entries, { to })).length > 0
  })

/** @since 0.1.0 @category commands */
export const to: Run = (options, [revision = "head"]) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const back = watched(options, (source) => goesBack(source, revision))
    if (yield* onDatabase(config, back)) {
      yield* confirmed(options, `this takes back migrations on ${describeTarget(config)} and may take their data along`)
    }
    const report = yield* onDatabase(
      config,
      watched(options, (source) => Move.to(revision, source))
    )
    yield* show(options, report, done)
    return 0 as const
  })
