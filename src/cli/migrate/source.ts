/**
 * Where a command's migrations are, and what a person sees while they run: who is waited for, and a bar.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Migrator from "../../migration/Migrator.js"
import type { Event } from "../../migration/Task.js"
import { millis } from "../layout.js"
import type { Options } from "../Options.js"
import { type Bar, Terminal } from "../Terminal.js"

/** The folders as they were named, or the usual one. @since 0.1.0 @category accessors */
export const folders = (options: Pick<Options, "migrations">): readonly [string, ...ReadonlyArray<string>] => {
  const [first = "migrations", ...others] = options.migrations
  return [first, ...others]
}

/** @since 0.1.0 @category constructors */
export const source = (options: Options): Migrator.Options => ({
  directory: folders(options),
  ...(options.table === undefined ? {} : { table: options.table }),
  ...(options.schema === undefined ? {} : { schema: options.schema }),
  ...(options["allow-out-of-order"] ? { allowOutOfOrder: true } : {})
})

/** Runs with what `use` is given as its options; what happens is shown while it does. @since 0.1.0 @category running */
export const watched = <A, E, R>(
  options: Options,
  use: (options: Migrator.Options) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Terminal> =>
  Effect.scoped(
    Effect.gen(function* () {
      const terminal = yield* Terminal
      const scope = yield* Effect.scope
      let bar: Bar | undefined
      const tell = (event: Event): Effect.Effect<void> => {
        switch (event._tag) {
          case "waiting":
            return terminal.progress(`  waiting for ${event.holder}, ${millis(event.waitedMillis)}`)
          case "started":
            return Effect.gen(function* () {
              yield* terminal.progress("")
              bar ??= yield* Effect.provideService(terminal.bar(event.total), Scope.Scope, scope)
              yield* bar(event.index - 1, `${event.id}_${event.name}`)
            })
          case "statement":
            return bar === undefined
              ? Effect.void
              : bar(undefined, `${event.id}_${event.name}, statement ${event.done} of ${event.of}`)
          case "done":
            return bar === undefined ? Effect.void : bar(event.index, `${event.id}_${event.name}`)
        }
      }
      return yield* Effect.ensuring(use({ ...source(options), onEvent: tell }), terminal.progress(""))
    })
  )
