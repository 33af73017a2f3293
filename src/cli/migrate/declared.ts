/**
 * The declared tables a command compares the database with: a module that exports them, found and imported as migrations
 * are.
 *
 * @since 0.1.0
 */
import { readFile, stat } from "node:fs/promises"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { importFile } from "../../migration/importModule.js"
import type { DatabaseSchema } from "../../schema/DatabaseSchema.js"
import { Told } from "../Command.js"
import { type UsageError, usageError } from "../Guard.js"
import type { Options } from "../Options.js"
import { prefix, sentence } from "../words.js"

/** Where it is looked for without `--from`. @since 0.1.0 @category defaults */
export const places = ["schema.ts", "src/schema.ts", "schema.js", "src/schema.js"]

const kinds = /\.(?:ts|js|mjs)$/

const isFile = (file: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    stat(file).then(
      (found) => found.isFile(),
      () => false
    )
  )

const find = (from: string | undefined): Effect.Effect<string, UsageError> =>
  Effect.gen(function* () {
    if (from === undefined) {
      for (const place of places) if (yield* isFile(place)) return place
      return yield* Effect.fail(
        usageError(
          `there are no declared tables to compare with: no ${places.slice(0, 2).join(" and no ")}. Write --from FILE`
        )
      )
    }
    if (!(yield* isFile(from)))
      return yield* Effect.fail(usageError(`--from ${from}: there is no such file. Correct the path`))
    return kinds.test(from)
      ? from
      : yield* Effect.fail(
          usageError(`--from ${from}: a schema is a .ts, .js or .mjs file. Name the one that exports it`)
        )
  })

const isSchema = (u: unknown): u is DatabaseSchema =>
  typeof u === "object" && u !== null && "tables" in u && "enums" in u && "prefix" in u

/** The default export; without that the only one that is a schema. */
const exported = (module: object): DatabaseSchema | ReadonlyArray<string> => {
  const { default: main, ...named } = module as { readonly default?: unknown; readonly [name: string]: unknown }
  if (isSchema(main)) return main
  const found = Object.entries({ ...(main as object | undefined), ...named }).filter(([, value]) => isSchema(value))
  const [first, second] = found
  return first !== undefined && second === undefined ? (first[1] as DatabaseSchema) : found.map(([name]) => name)
}

/** @since 0.1.0 @category constructors */
export const declared = ({ from }: Pick<Options, "from">): Effect.Effect<DatabaseSchema, Told | UsageError> =>
  Effect.gen(function* () {
    const file = yield* find(from)
    const refuse = (finding: string, remedy: string) =>
      new Told({ lines: [`${prefix}${sentence(`${file} ${finding}`)} ${sentence(remedy)}`] })
    const path = resolve(file)
    const module = yield* Effect.tryPromise({
      try: async () => importFile(path, await readFile(path, "utf8"), "schema"),
      catch: (cause) =>
        refuse(
          `cannot be imported: ${cause instanceof Error ? cause.message : String(cause)}`,
          "Correct the file; nothing was done"
        )
    })
    const found = exported(Object(module))
    if (!Array.isArray(found)) return found as DatabaseSchema
    return yield* found.length === 0
      ? refuse("exports no schema", "Write in it: export default DatabaseSchema.make({ users })")
      : refuse(`exports several schemas: ${found.join(", ")}`, "Make one of them the default export")
  })
