/**
 * `aquifer migrate plan` and `verify`: what migrations would do, on paper or on a database beside the one in use.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Plan from "../../migration/Plan.js"
import * as Verify from "../../migration/Verify.js"
import { type Run, show } from "../Command.js"
import { usageError } from "../Guard.js"
import type { Options } from "../Options.js"
import { onDatabase } from "../onDatabase.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import { prefix, sentence } from "../words.js"
import { source } from "./source.js"

/** `B`, or `A:B`: as if the database were at A. */
const way = (options: Options, range: string | undefined) => {
  const direction = options.down ? ("down" as const) : ("up" as const)
  const steps = options.steps === undefined ? {} : { steps: options.steps }
  if (range === undefined) return Effect.succeed({ direction, ...steps })
  const [from = "", to, ...more] = range.split(":")
  if (more.length > 0 || from === "" || to === "") {
    return Effect.fail(usageError("a range is two revisions with a colon between them. Write base:head"))
  }
  return Effect.succeed(to === undefined ? { direction, ...steps, to: from } : { direction, ...steps, from, to })
}

/** @since 0.1.0 @category commands */
export const plan: Run = (options, [range]) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const far = yield* way(options, range)
    const config = yield* Target.resolve(options)
    // From A to B is the files' affair: the database need not even be there.
    const where = "from" in far ? { ...config, connect: "lazy" as const } : config
    const planned = yield* onDatabase(where, Plan.plan({ ...source(options), ...far }))
    yield* show(options, planned, ({ sql }) => [sql.trimEnd()])
    for (const { id, name, warnings } of planned.revisions) {
      yield* Effect.forEach(warnings, (text) => terminal.complain(`${prefix}${id}_${name}: ${sentence(text)}`))
    }
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const verify: Run = (options) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const { progress } = yield* Terminal
    // Each revision is run three times by itself: a bar would only begin again and again.
    const found = yield* Effect.ensuring(
      Effect.zipRight(progress("  verifying"), onDatabase(config, Verify.verify(source(options)))),
      progress("")
    )
    yield* show(options, found, ({ ok, revisions }, style) => {
      const paint = { same: style.green, differs: style.red, irreversible: style.yellow }
      return [
        ...revisions.flatMap(({ again, back, id, name, standing }) => [
          `  ${paint[standing](standing.padEnd(12))} ${id}_${name}`,
          ...back.map((difference) => `${" ".repeat(15)}after down: ${difference}`),
          ...again.map((difference) => `${" ".repeat(15)}after the second up: ${difference}`)
        ]),
        ok
          ? style.green("  every way back leads where it came from")
          : style.red("  not every way back leads where it came from")
      ]
    })
    return found.ok ? 0 : 1
  })
