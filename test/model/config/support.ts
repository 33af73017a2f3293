/** What the tests of the configuration share: variables and files in, a configuration or its problems out. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"

export const variables = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.fromMap(new Map(Object.entries(values)), { pathDelim: "_", seqDelim: "," })

/** Synchronously, because that is promised. */
const answer = <A, E>(effect: Effect.Effect<A, E>, outside: Readonly<Record<string, string>>): Either.Either<A, E> =>
  Effect.runSync(Effect.either(Effect.withConfigProvider(effect, variables(outside))))

const right = (either: Either.Either<DatabaseConfig.DatabaseConfig, Parameters<typeof DatabaseConfig.explain>[0]>) =>
  Either.getOrThrowWith(either, (error) => new Error(DatabaseConfig.explain(error)))

const left = (either: Either.Either<unknown, Parameters<typeof DatabaseConfig.explain>[0]>): ReadonlyArray<string> => {
  if (Either.isRight(either)) throw new Error("expected problems, found a configuration")
  const lines = DatabaseConfig.explain(either.left).split("\n")
  return lines.length === 1 ? lines : lines.slice(1).map((line) => line.replace(/^ {2}- /, ""))
}

export const env = (values: Readonly<Record<string, string>>) => right(answer(DatabaseConfig.fromEnv, values))
export const envProblems = (values: Readonly<Record<string, string>>) => left(answer(DatabaseConfig.fromEnv, values))

export const make = (options: DatabaseConfig.Options, outside: Readonly<Record<string, string>> = {}) =>
  right(answer(DatabaseConfig.make(options), outside))
export const makeProblems = (options: DatabaseConfig.Options, outside: Readonly<Record<string, string>> = {}) =>
  left(answer(DatabaseConfig.make(options), outside))

/** A folder of its own that is gone afterwards. */
export const withFolder = async <A>(use: (folder: string) => A | Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "aquifer-config-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const fromText = (name: string, text: string, outside: Readonly<Record<string, string>>) =>
  withFolder((folder) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return Effect.runPromise(
      Effect.either(Effect.withConfigProvider(DatabaseConfig.fromFile(path), variables(outside)))
    )
  })

export const file = async (name: string, text: string, outside: Readonly<Record<string, string>> = {}) =>
  right(await fromText(name, text, outside))
export const fileProblems = async (name: string, text: string, outside: Readonly<Record<string, string>> = {}) =>
  left(await fromText(name, text, outside))
export const fileError = async (name: string, text: string) => {
  const either = await fromText(name, text, {})
  if (Either.isRight(either)) throw new Error("expected problems, found a configuration")
  return either.left
}
