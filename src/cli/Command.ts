/**
 * What a command is: a row of the table in `commands.ts`. How it reads its options, finds its database and says what went
 * wrong is the same for all of them and stands here.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Database from "../Database.js"
import { Dialect } from "../Dialect.js"
import { protect } from "../model/config/redacted.js"
import { DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import { type DatabaseError, DatabaseNotFound } from "../model/DatabaseError.js"
import { lines, prefix } from "./Failure.js"
import { type UsageError, usageError } from "./Guard.js"
import type { Name, Options } from "./Options.js"
import type { ExitCode } from "./Process.js"
import { type Style, Terminal } from "./Terminal.js"

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
  readonly run: (
    options: Options,
    args: ReadonlyArray<string>
  ) => Effect.Effect<ExitCode, Failure, Terminal | Scope.Scope>
}

/** What is no server is made by its first session: that is opened by whoever needs one, and not by who only looks. */
const patient = (config: DatabaseConfig): DatabaseConfig =>
  config.target.hosts.length === 0 ? protect({ ...config, connect: "lazy" }) : config

/** There is a database to be asked: a session that is opened only to look must not make it. @since 0.1.0 @category guards */
export const there: Effect.Effect<void, DatabaseError, Dialect | DatabaseConfig> = Effect.gen(function* () {
  const { unmade } = yield* Dialect
  if (unmade === undefined || !(yield* unmade(yield* DatabaseConfig))) return
  return yield* new DatabaseNotFound({
    operation: "connect",
    reason: "it is not there yet",
    hint: "aquifer db create makes it, and so does aquifer migrate up"
  })
})

/**
 * Runs `use` on the database and closes it; a failure is told with the database's place in it.
 *
 * @since 0.1.0
 * @category running
 */
export const onDatabase = <A, E, R>(
  config: DatabaseConfig,
  use: Effect.Effect<A, E, Database.Services | R>
): Effect.Effect<A, Told, Exclude<R, Database.Services>> =>
  told(Effect.provide(use, Database.layerFrom(Effect.succeed(patient(config)))), config)

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
