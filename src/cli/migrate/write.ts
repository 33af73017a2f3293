/**
 * `aquifer migrate new` and `merge`: what writes files. Never over one that is there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Migrator from "../../migration/Migrator.js"
import { type Command, show, told } from "../Command.js"
import { usageError } from "../Guard.js"
import type { Options } from "../Options.js"
import { source } from "./source.js"

/** As the last one there, else TypeScript. @since 0.1.0 @category accessors */
export const kindOf = (options: Options): Effect.Effect<"ts" | "sql"> =>
  options.kind !== undefined
    ? Effect.succeed(options.kind)
    : Migrator.graph(source(options)).pipe(
        Effect.map((places) => (places.at(-1)?.kind === "sql" ? ("sql" as const) : ("ts" as const))),
        Effect.orElseSucceed(() => "ts" as const)
      )

const written = (options: Options, created: Migrator.Created) =>
  show(options, created, ({ file, revises }, style) => [
    `  ${style.bold(file)}${style.dim(revises.length === 0 ? "" : `  follows ${revises.join(", ")}`)}`
  ])

/** Said with `--message` or behind the command, as people do. */
const named = (options: Options, words: ReadonlyArray<string>): string | undefined => {
  const name = [...words, ...(options.message === undefined ? [] : [options.message])].join(" ").trim()
  return name === "" ? undefined : name
}

/** @since 0.1.0 @category commands */
export const create: Command = {
  name: "migrate new",
  summary: "write an empty migration to fill in",
  gives: ["id", "name", "file", "revises"],
  takes: ["message", "kind", "revises"],
  argument: { name: "word", least: 0, most: 20 },
  notes: ["aquifer migrate new add email to users: the words become the file's name."],
  run: (options, words) =>
    Effect.gen(function* () {
      const name = named(options, words)
      if (name === undefined) {
        return yield* Effect.fail(
          usageError("a migration needs a name. Write aquifer migrate new and what it does, in a few words")
        )
      }
      const kind = yield* kindOf(options)
      const revises = options.revises.length === 0 ? {} : { revises: options.revises }
      const created = yield* told(Migrator.create({ ...source(options), name, kind, ...revises }))
      yield* written(options, created)
      return 0 as const
    })
}

/** @since 0.1.0 @category commands */
export const merge: Command = {
  name: "migrate merge",
  summary: "write a migration that follows several heads, all unless named",
  gives: ["id", "name", "file", "revises"],
  takes: ["message", "kind"],
  argument: { name: "revision", least: 0, most: 100 },
  run: (options, revisions) =>
    Effect.gen(function* () {
      const created = yield* told(
        Migrator.merge({
          ...source(options),
          ...(options.message === undefined ? {} : { name: options.message }),
          ...(options.kind === undefined ? {} : { kind: options.kind }),
          ...(revisions.length === 0 ? {} : { revisions })
        })
      )
      yield* written(options, created)
      return 0 as const
    })
}
