/**
 * `aquifer migrate new` and `merge`: what writes files. Never over one that is there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Migrator from "../../migration/Migrator.js"
import { type Command, onDatabase, show, told } from "../Command.js"
import { usageError } from "../Guard.js"
import type { Options } from "../Options.js"
import * as Target from "../Target.js"
import type { Style } from "../Terminal.js"
import { differences, inWords, same } from "./check.js"
import { declared } from "./declared.js"
import { source } from "./source.js"

/** As the last one there, else TypeScript. @since 0.1.0 @category accessors */
export const kindOf = (options: Options): Effect.Effect<"ts" | "sql"> =>
  options.kind !== undefined
    ? Effect.succeed(options.kind)
    : Migrator.graph(source(options)).pipe(
        Effect.map((places) => (places.at(-1)?.kind === "sql" ? ("sql" as const) : ("ts" as const))),
        Effect.orElseSucceed(() => "ts" as const)
      )

const line = (file: string, revises: ReadonlyArray<string>, style: Style): string =>
  `  ${style.bold(file)}${style.dim(revises.length === 0 ? "" : `  follows ${revises.join(", ")}`)}`

const written = (options: Options, created: Migrator.Created) =>
  show(options, created, ({ file, revises }, style) => [line(file, revises, style)])

/** Said with `--message` or behind the command, as people do. */
const named = (options: Options, words: ReadonlyArray<string>): string | undefined => {
  const name = [...words, ...(options.message === undefined ? [] : [options.message])].join(" ").trim()
  return name === "" ? undefined : name
}

const generated = (options: Options, name: string) =>
  Effect.gen(function* () {
    const schema = yield* declared(options)
    const kind = yield* kindOf(options)
    const config = yield* Target.resolve(options)
    const revises = options.revises.length === 0 ? {} : { revises: options.revises }
    const found = yield* onDatabase(
      config,
      Migrator.autogenerate({ ...source(options), ...revises, declared: schema, ignore: options.ignore, name, kind })
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

/** @since 0.1.0 @category commands */
export const create: Command = {
  name: "migrate new",
  summary: "write a migration: an empty one to fill in, or what the declared tables ask for",
  gives: ["id", "name", "file", "revises"],
  takes: ["message", "kind", "revises", "autogenerate", "from", "ignore"],
  argument: { name: "word", least: 0, most: 20 },
  notes: [
    "aquifer migrate new add email to users: the words become the file's name.",
    "With --autogenerate the database must be at the head; its JSON is { created, changes }."
  ],
  run: (options, words) =>
    Effect.gen(function* () {
      const name = named(options, words)
      if (name === undefined) {
        return yield* Effect.fail(
          usageError("a migration needs a name. Write aquifer migrate new and what it does, in a few words")
        )
      }
      if (options.autogenerate) return yield* generated(options, name)
      if (options.from !== undefined || options.ignore.length > 0) {
        return yield* Effect.fail(usageError("--from and --ignore are for comparing. Write --autogenerate, too"))
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
