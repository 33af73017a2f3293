/**
 * What a command is: a row of the table in `commands.ts`, and what that row does. How it shows its result, asks first and
 * says what went wrong is the same for all of them and stands here.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import type { ExitCode } from "./codes.js"
import { lines } from "./Failure.js"
import { type UsageError, usageError } from "./Guard.js"
import type { Name, Options } from "./Options.js"
import type { Style } from "./Style.js"
import { Terminal } from "./Terminal.js"
import { prefix } from "./words.js"

/** Already in words: one line for each problem. @since 0.1.0 @category errors */
export class Told extends Data.TaggedError("Told")<{ readonly lines: ReadonlyArray<string> }> {}

/** What ends a command before its own end. @since 0.1.0 @category errors */
export type Failure = Told | UsageError | ConfigError

/** What stands behind a command's name. @since 0.1.0 @category models */
export interface Argument {
  readonly name: string
  /** How many there must be, and how many there may be. Default: exactly one. */
  readonly least?: 0 | 1 | 2
  readonly most?: number
}

/** @since 0.1.0 @category models */
export interface Command {
  /** As it is written: `migrate up`. */
  readonly name: string
  readonly summary: string
  /** The options it takes besides those of every command. */
  readonly takes?: ReadonlyArray<Name>
  readonly argument?: Argument
  /** The fields of its JSON; others may come with what they belong to. */
  readonly gives: ReadonlyArray<string>
  /** What a person may want to know besides, for its help. */
  readonly notes?: ReadonlyArray<string>
  readonly load: () => Promise<Run>
}

/** What a command does. @since 0.1.0 @category models */
export type Run = (
  options: Options,
  args: ReadonlyArray<string>
) => Effect.Effect<ExitCode, Failure, Terminal | Scope.Scope>

/** A failure in words. @since 0.1.0 @category running */
export const told = <A, E, R>(effect: Effect.Effect<A, E, R>, config?: DatabaseConfig): Effect.Effect<A, Told, R> =>
  Effect.mapError(effect, (error) =>
    error instanceof Told
      ? error
      : new Told({ lines: lines(Cause.fail(error), config === undefined ? undefined : describeTarget(config)) })
  )

/** The result as JSON where that was asked for, else in words. @since 0.1.0 @category running */
export const show = <A>(
  options: Options,
  result: A,
  render: (result: A, style: Style) => ReadonlyArray<string>
): Effect.Effect<void, never, Terminal> =>
  Effect.flatMap(Terminal, (terminal) =>
    terminal.print(options.json ? JSON.stringify(result, null, 2) : render(result, terminal.style).join("\n"))
  )

/**
 * Asks before something is taken away: `--yes` is an answer, a person at a terminal is asked, and nobody else can be.
 *
 * @since 0.1.0
 * @category running
 */
export const confirmed = (options: Options, what: string): Effect.Effect<void, Told | UsageError, Terminal> =>
  Effect.flatMap(Terminal, (terminal): Effect.Effect<void, Told | UsageError> => {
    if (options.yes) return Effect.void
    if (options.json || !terminal.interactive) {
      return Effect.fail(usageError(`${what}. Write --yes if that is what you want`))
    }
    return Effect.flatMap(terminal.confirm(`${what}. Go on?`), (yes) =>
      yes ? Effect.void : Effect.fail(new Told({ lines: [`${prefix}nothing was done.`] }))
    )
  })
