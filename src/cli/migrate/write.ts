/**
 * `aquifer migrate new` and `merge`: what writes files. Never over one that is there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Create from "../../migration/Create.js"
import * as History from "../../migration/History.js"
import { type Run, show, told } from "../Command.js"
import { usageError } from "../Guard.js"
import type { Options } from "../Options.js"
import type { Style } from "../Style.js"
import { source } from "./source.js"

/** As the last one there, else TypeScript. @since 0.1.0 @category accessors */
export const kindOf = (options: Options): Effect.Effect<"ts" | "sql"> =>
  options.kind !== undefined
    ? Effect.succeed(options.kind)
    : History.graph(source(options)).pipe(
        Effect.map((places) => (places.at(-1)?.kind === "sql" ? ("sql" as const) : ("ts" as const))),
        Effect.orElseSucceed(() => "ts" as const)
      )

/** A file that was written. @since 0.1.0 @category layout */
export const line = (file: string, revises: ReadonlyArray<string>, style: Style): string =>
  `  ${style.bold(file)}${style.dim(revises.length === 0 ? "" : `  follows ${revises.join(", ")}`)}`

const written = (options: Options, created: Create.Created) =>
  show(options, created, ({ file, revises }, style) => [line(file, revises, style)])

/** Said with `--message` or behind the command, as people do. */
const named = (options: Options, words: ReadonlyArray<string>): string | undefined => {
  const name = [...words, ...(options.message === undefined ? [] : [options.message])].join(" ").trim()
  return name === "" ? undefined : name
}

/** @since 0.1.0 @category commands */
export const create: Run = (options, words) =>
  Effect.gen(function* () {
    const name = named(options, words)
    if (name === undefined) {
      return yield* Effect.fail(
        usageError("a migration needs a name. Write aquifer migrate new and what it does, in a few words")
      )
    }
    if (options.autogenerate) {
      const { generated } = yield* Effect.promise(() => import("./generate.js"))
      return yield* generated(options, name)
    }
    if (options.from !== undefined || options.ignore.length > 0) {
      return yield* Effect.fail(usageError("--from and --ignore are for comparing. Write --autogenerate, too"))
    }
    const kind = yield* kindOf(options)
    const revises = options.revises.length === 0 ? {} : { revises: options.revises }
    const created = yield* told(Create.create({ ...source(options), name, kind, ...revises }))
    yield* written(options, created)
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const merge: Run = (options, revisions) =>
  Effect.gen(function* () {
    const created = yield* told(
      Create.merge({
        ...source(options),
        ...(options.message === undefined ? {} : { name: options.message }),
        ...(options.kind === undefined ? {} : { kind: options.kind }),
        ...(revisions.length === 0 ? {} : { revisions })
      })
    )
    yield* written(options, created)
    return 0 as const
  })
