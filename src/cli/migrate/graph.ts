/**
 * `aquifer migrate heads`, `branches` and `show`: the history as the files make it. No database is needed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as History from "../../migration/History.js"
import { type Run, show as shown, told } from "../Command.js"
import { table } from "../layout.js"
import { Terminal } from "../Terminal.js"
import { source } from "./source.js"

const label = ({ id, name }: { readonly id: string; readonly name: string }): string =>
  name === "" ? id : `${id}_${name}`

/** @since 0.1.0 @category commands */
export const heads: Run = (options) =>
  Effect.gen(function* () {
    const found = yield* told(History.heads(source(options)))
    yield* shown(options, { heads: found }, ({ heads }) =>
      heads.length === 0 ? ["  there are no migrations"] : heads.map((head) => `  ${label(head)}`)
    )
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const branches: Run = (options) =>
  Effect.gen(function* () {
    const found = yield* told(History.branches(source(options)))
    yield* shown(options, { branches: found }, ({ branches }, style) =>
      branches.length === 0
        ? ["  the history does not branch"]
        : table(
            style,
            ["revision", "is followed by"],
            branches.map((one) => [label(one), one.children.join(", ")])
          )
    )
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const show: Run = (options, [revision = "head"]) =>
  Effect.gen(function* () {
    const { complain } = yield* Terminal
    const found = yield* told(History.show(revision, source(options)))
    if (found.length === 0) yield* complain("aquifer: there are no migrations.")
    yield* shown(options, { revisions: found }, ({ revisions }, style) =>
      revisions.flatMap((one) => [
        `  ${style.bold(label(one))}  ${style.dim(
          [
            one.file,
            one.parents.length === 0 ? "follows nothing" : `follows ${one.parents.join(", ")}`,
            ...(one.dependsOn.length === 0 ? [] : [`needs ${one.dependsOn.join(", ")}`]),
            one.isHead ? "head" : `followed by ${one.children.join(", ")}`
          ].join(", ")
        )}`,
        ...(one.text === undefined ? [] : ["", one.text.trimEnd()])
      ])
    )
    return found.length === 0 ? 1 : 0
  })
