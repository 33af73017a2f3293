/**
 * From the options as they were written to those a command gets. A flag and a text mean what they say; every other value is
 * decoded, and only a line with one waits for the decoder to be loaded.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { UsageError, Written } from "./Guard.js"
import { type Kind, kindOf, type Name, names, type Options } from "./Options.js"

const unwritten = ({ many, value }: Kind<unknown>): unknown => (value === undefined ? false : many ? [] : undefined)

const valueOf = (name: Name, values: ReadonlyArray<string>): Effect.Effect<unknown, UsageError> => {
  const { parser, ...kind } = kindOf(name)
  if (kind.value === undefined) return Effect.succeed(true)
  if (parser === undefined) return Effect.succeed(kind.many ? values : values[0])
  return Effect.flatMap(
    Effect.promise(() => import("./Values.js")),
    ({ decode }) => decode(name, { ...kind, parser }, values)
  )
}

/** @since 0.1.0 @category parsing */
export const options = (given: Written["given"]): Effect.Effect<Options, UsageError> =>
  Effect.map(
    Effect.forEach(given, ([name, values]) => Effect.map(valueOf(name, values), (value) => [name, value] as const)),
    (decoded) =>
      // Each is what its own row in the table says, decoded or not written.
      Object.fromEntries([...names.map((name) => [name, unwritten(kindOf(name))]), ...decoded]) as unknown as Options
  )
