/**
 * `aquifer migrate check`: whether the database is what the declared tables say, and where it is not.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Autogenerate from "../../migration/Autogenerate.js"
import { type Run, show } from "../Command.js"
import { onDatabase } from "../onDatabase.js"
import type { Style } from "../Style.js"
import * as Target from "../Target.js"
import { declared } from "./declared.js"
import { source } from "./source.js"

/** One difference as it is shown and as it stands in JSON. @since 0.1.0 @category models */
export interface Worded {
  readonly says: string
  readonly danger: string | undefined
}

/** @since 0.1.0 @category conversions */
export const inWords = ({ danger, says }: Autogenerate.Difference): Worded => ({ says, danger })

/** @since 0.1.0 @category layout */
export const differences = (changes: ReadonlyArray<Worded>, style: Style): ReadonlyArray<string> =>
  changes.map(
    ({ danger, says }) => `    ${says}${danger === undefined ? "" : `  ${style.yellow(`danger: ${danger}`)}`}`
  )

/** @since 0.1.0 @category layout */
export const same = (style: Style): string => style.green("  nothing differs: the database is what is declared")

/** @since 0.1.0 @category commands */
export const check: Run = (options) =>
  Effect.gen(function* () {
    const schema = yield* declared(options)
    const config = yield* Target.resolve(options)
    const found = yield* onDatabase(
      config,
      Autogenerate.check({ ...source(options), declared: schema, ignore: options.ignore })
    )
    yield* show(options, { same: found.length === 0, changes: found.map(inWords) }, ({ changes }, style) =>
      changes.length === 0
        ? [same(style)]
        : [
            "  To be what is declared, the database would have to",
            ...differences(changes, style),
            `  ${style.bold("aquifer migrate new --autogenerate")} and a name writes that`
          ]
    )
    return found.length === 0 ? 0 : 3
  })
