/**
 * `aquifer migrate status`, `current`, `history` and `show`: files and ledger side by side. Nothing is changed and nothing
 * imported.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Status from "../../migration/Status.js"
import { type Run, show } from "../Command.js"
import { lines } from "../Failure.js"
import { moment, table } from "../layout.js"
import { onDatabase } from "../onDatabase.js"
import type { Style } from "../Style.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import { source } from "./source.js"

const label = ({ id, name }: Status.Line): string => (name === "" ? id : `${id}_${name}`)

const painted = (standing: Status.Standing, style: Style): string =>
  standing === "applied" ? style.green(standing) : standing === "pending" ? style.yellow(standing) : style.red(standing)

const listed = (revisions: ReadonlyArray<Status.Line>, style: Style): ReadonlyArray<string> =>
  revisions.length === 0
    ? []
    : table(
        style,
        ["standing", "revision", "applied at"],
        revisions.map((line) => [painted(line.standing, style), label(line), style.dim(moment(line.appliedAt))])
      )

/** @since 0.1.0 @category commands */
export const status: Run = (options) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const config = yield* Target.resolve(options)
    const found = yield* onDatabase(config, Status.status(source(options)))
    const problems = found.problems.map((problem) => lines(Cause.fail(problem)).join(" "))
    yield* show(options, { ...found, problems }, (shown, style) => [
      ...listed(shown.revisions, style),
      `  ${shown.applied} applied, ${shown.pending} pending${shown.atHead ? style.green("  up to date") : ""}`
    ])
    yield* Effect.forEach(problems, terminal.complain, { discard: true })
    return found.atHead ? 0 : 3
  })

/** @since 0.1.0 @category commands */
export const current: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const [found, { atHead }] = yield* onDatabase(
      config,
      Effect.zip(Status.current(source(options)), Status.status(source(options)))
    )
    yield* show(options, { current: found, atHead }, (shown, style) => [
      ...(shown.current.length === 0 ? ["  base"] : shown.current.map((line) => `  ${label(line)}`)),
      ...(shown.atHead ? [style.green("  up to date")] : [style.yellow("  behind the files, or different from them")])
    ])
    return options["check-heads"] && !atHead ? 3 : 0
  })

/** @since 0.1.0 @category commands */
export const history: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const found = yield* onDatabase(config, Status.history(source(options)))
    yield* show(options, { revisions: found }, ({ revisions }, style) =>
      revisions.length === 0
        ? ["  nothing is applied"]
        : table(
            style,
            ["revision", "follows", "applied at", "by"],
            revisions.map((line) => [
              label(line),
              line.parents.join(", "),
              moment(line.appliedAt),
              line.appliedBy ?? ""
            ])
          )
    )
    return 0 as const
  })
