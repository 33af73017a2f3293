/**
 * `aquifer migrate up`, `down` and `to`: what runs migrations. What takes something away asks first.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as History from "../../migration/History.js"
import type * as Migrator from "../../migration/Migrator.js"
import * as Move from "../../migration/Move.js"
import * as Status from "../../migration/Status.js"
import { describeTarget } from "../../model/DatabaseConfig.js"
import { confirmed, type Run, show } from "../Command.js"
import { usageError } from "../Guard.js"
import { millis, plural, rows } from "../layout.js"
import { onDatabase } from "../onDatabase.js"
import type { Style } from "../Style.js"
import * as Target from "../Target.js"
import { source, watched } from "./source.js"

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
const goesBack = (source: Migrator.Options, revision: string) =>
  Effect.gen(function* () {
    if (revision === "base" || revision.startsWith("-")) return true
    if (revision.startsWith("+")) return false
    const places = new Map((yield* History.graph(source)).map((place) => [place.id, place] as const))
    const kept = new Set<string>()
    const stack = (yield* History.show(revision, source)).map(({ id }) => id)
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      const place = places.get(id)
      if (place === undefined || kept.has(id)) continue
      kept.add(id)
      stack.push(...place.parents, ...place.dependsOn)
    }
    const { revisions } = yield* Status.status(source)
    return revisions.some(({ appliedAt, id }) => appliedAt !== undefined && !kept.has(id))
  })

/** @since 0.1.0 @category commands */
export const to: Run = (options, [revision = "head"]) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    if (yield* onDatabase(config, goesBack(source(options), revision))) {
      yield* confirmed(options, `this takes back migrations on ${describeTarget(config)} and may take their data along`)
    }
    const report = yield* onDatabase(
      config,
      watched(options, (source) => Move.to(revision, source))
    )
    yield* show(options, report, done)
    return 0 as const
  })
