/**
 * `aquifer migrate new --autogenerate`: the migration that makes the database what the declared tables say.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Autogenerate from "../../migration/Autogenerate.js"
import { show } from "../Command.js"
import type { Options } from "../Options.js"
import { onDatabase } from "../onDatabase.js"
import * as Target from "../Target.js"
import { differences, inWords, same } from "./check.js"
import { declared } from "./declared.js"
import { source } from "./source.js"
import { kindOf, line } from "./write.js"

/** @since 0.1.0 @category commands */
export const generated = (options: Options, name: string) =>
  Effect.gen(function* () {
    const schema = yield* declared(options)
    const kind = yield* kindOf(options)
    const config = yield* Target.resolve(options)
    const revises = options.revises.length === 0 ? {} : { revises: options.revises }
    const found = yield* onDatabase(
      config,
      Autogenerate.autogenerate({
        ...source(options),
        ...revises,
        declared: schema,
        ignore: options.ignore,
        name,
        kind
      })
    )
    yield* show(options, { ...found, changes: found.changes.map(inWords) }, ({ changes, created }, style) =>
      created.length === 0
        ? [same(style)]
        : [
            ...created.map(({ file, revises }) => line(file, revises, style)),
            ...differences(changes, style),
            `  Read it before you apply it with ${style.bold("aquifer migrate up")}`
          ]
    )
    return 0 as const
  })
