/**
 * The values of options as `@effect/cli` decodes them. What comes in has passed the guard; what goes wrong is told here in
 * words of our own, because upstream's repeat what was written.
 *
 * @since 0.1.0
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as CliOptions from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type UsageError, usageError } from "./Guard.js"
import type { Kind, Name } from "./Options.js"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer)

/** With `=` a value may begin with a dash, but what may be repeated knows no `=`. */
const written = (name: Name, many: boolean | undefined, values: ReadonlyArray<string>): ReadonlyArray<string> =>
  values.flatMap((value) => (many ? [`--${name}`, value] : [`--${name}=${value}`]))

/** @since 0.1.0 @category parsing */
export const decode = <A>(
  name: Name,
  { expects, many, parser, value = "" }: Kind<A> & Required<Pick<Kind<A>, "parser">>,
  values: ReadonlyArray<string>
): Effect.Effect<A, UsageError> => {
  const refused = usageError(`--${name} takes ${expects}. Write --${name} ${value}`)
  const line = written(name, many, values)
  return CliOptions.processCommandLine(parser(CliOptions, name), line, CliConfig.defaultConfig).pipe(
    Effect.mapError(() => refused),
    Effect.flatMap(([problem, left, decoded]) =>
      Option.isNone(problem) && left.length === 0 ? Effect.succeed(decoded) : Effect.fail(refused)
    ),
    Effect.provide(platform)
  )
}
