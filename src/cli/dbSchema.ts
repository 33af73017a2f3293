/**
 * `aquifer db pull` and `diagram`: the schema as a text, printed as it is or written to a file. What is there is written over
 * only when somebody says so.
 *
 * @since 0.1.0
 */
import { access, writeFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { without } from "../model/LiveSchema.js"
import * as DatabaseSchema from "../schema/DatabaseSchema.js"
import { confirmed, type Run, show, Told } from "./Command.js"
import type { UsageError } from "./Guard.js"
import { declared } from "./migrate/declared.js"
import type { Options } from "./Options.js"
import { onDatabase, there } from "./onDatabase.js"
import * as Target from "./Target.js"
import type { Terminal } from "./Terminal.js"
import { prefix, sentence } from "./words.js"

/** The ledger, where it has a name of its own, and the table of its lock. */
const ledger = ({ table }: Options): ReadonlyArray<string> => (table === undefined ? [] : [table, `${table}_lock`])

/** Where the text goes, known to be free before anything is asked of a database. */
const place = (options: Options): Effect.Effect<"w" | "wx", Told | UsageError, Terminal> =>
  Effect.gen(function* () {
    const { out } = options
    const taken = out === undefined ? false : yield* Effect.promise(() => access(out).then(...isThere))
    if (taken) yield* confirmed(options, `this overwrites ${out}`)
    return taken ? "w" : "wx"
  })

const isThere = [() => true, () => false] as const

const write = (file: string, text: string, flag: "w" | "wx"): Effect.Effect<void, Told> =>
  Effect.tryPromise({
    try: () => writeFile(file, text, { flag }),
    catch: (cause) =>
      new Told({
        lines: [
          `${prefix}${sentence(cause instanceof Error ? cause.message : String(cause))} Name a file this user may write to with --out.`
        ]
      })
  })

/** The text alone can be sent on: `aquifer db diagram | …`. */
const given = (options: Options, what: "module" | "diagram", text: string, flag: "w" | "wx") =>
  Effect.gen(function* () {
    const { out } = options
    if (out !== undefined) yield* write(out, text, flag)
    yield* show(options, { file: out ?? null, [what]: text }, (_, style) =>
      out === undefined ? [text.replace(/\n$/, "")] : [`  ${style.green("written")} ${style.bold(out)}`]
    )
    return 0 as const
  })

/** @since 0.1.0 @category commands */
export const pull: Run = (options) =>
  Effect.gen(function* () {
    const flag = yield* place(options)
    const config = yield* Target.resolve(options)
    const ignore = [...options.ignore, ...ledger(options)]
    const text = yield* onDatabase(config, Effect.zipRight(there, DatabaseSchema.pull({ ignore })))
    return yield* given(options, "module", text, flag)
  })

const inspected = (options: Options) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    const found = yield* onDatabase(config, Effect.zipRight(there, DatabaseSchema.inspect))
    return without(found, ledger(options))
  })

/** @since 0.1.0 @category commands */
export const diagram: Run = (options) =>
  Effect.gen(function* () {
    const flag = yield* place(options)
    const schema = yield* options.from === undefined ? inspected(options) : declared(options)
    return yield* given(options, "diagram", DatabaseSchema.diagram(schema, { format: options.as }), flag)
  })
