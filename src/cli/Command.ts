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
import * as Database from "../Database.js"
import { type DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import { lines } from "./Failure.js"
import type { Name, Options, UsageError } from "./Options.js"
import type { ExitCode } from "./Process.js"
import type { Terminal } from "./Terminal.js"

/** Already in words: one line for each problem. @since 0.1.0 @category errors */
export class Told extends Data.TaggedError("Told")<{ readonly lines: ReadonlyArray<string> }> {}

/** What ends a command before its own end. @since 0.1.0 @category errors */
export type Failure = Told | UsageError | ConfigError

/** @since 0.1.0 @category models */
export interface Command {
  /** As it is written: `migrate up`. */
  readonly name: string
  readonly summary: string
  /** The options it takes besides `--help`. */
  readonly takes: ReadonlyArray<Name>
  readonly run: (options: Options) => Effect.Effect<ExitCode, Failure, Terminal>
}

/**
 * Runs `use` on the database and closes it; a failure is told with the database's place in it.
 *
 * @since 0.1.0
 * @category running
 */
export const onDatabase = <A, E>(
  config: DatabaseConfig,
  use: Effect.Effect<A, E, Database.Services>
): Effect.Effect<A, Told> =>
  Effect.mapError(
    Effect.provide(use, Database.layerFrom(Effect.succeed(config))),
    (error) => new Told({ lines: lines(Cause.fail(error), describeTarget(config)) })
  )
