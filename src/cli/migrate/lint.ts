/**
 * `aquifer migrate lint`: dangerous DDL in the files, before it is run. Needs no database; the one that is configured only
 * says which grammar its migrations are written in.
 *
 * @since 0.1.0
 */
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Lint from "../../migration/Lint.js"
import * as Migrator from "../../migration/Migrator.js"
import { label, type Revision } from "../../migration/Revision.js"
import type { DatabaseConfig, Driver } from "../../model/DatabaseConfig.js"
import { MigrationError } from "../../model/MigrationError.js"
import { type Run, Told, told } from "../Command.js"
import { usageError } from "../Guard.js"
import { plural } from "../layout.js"
import type { Options } from "../Options.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import { prefix, sentence } from "../words.js"
import { recordings } from "./recordings.js"
import { folders, source } from "./source.js"

const grammars: Readonly<Record<Driver, Lint.Product>> = { postgres: "postgres", pglite: "postgres", sqlite: "sqlite" }

/** Linting needs no database, so none has to be configured; one of the other grammar is none. */
const database = (options: Options) =>
  Effect.map(Effect.option(Target.resolve(options)), (found) => {
    const config = Option.getOrUndefined(found)
    const own = config === undefined ? "postgres" : grammars[config.target.driver]
    const product = options.product ?? own
    return { product, config: product === own ? config : undefined }
  })

const formats = {
  text: Lint.renderText,
  json: Lint.renderJson,
  github: Lint.renderGithub,
  sarif: Lint.renderSarif
}

const wanted = (revisions: ReadonlyArray<Revision>, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (name) => {
    const found = revisions.filter((one) => one.file === name || label(one).startsWith(name))
    return found.length > 0
      ? Effect.succeed(found)
      : Effect.fail(
          new MigrationError({
            reason: "unknown-revision",
            problem: "there is no such migration among the files",
            remedy: "Migrator.status lists them"
          })
        )
  })

const textOf = (file: string) =>
  Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => new Told({ lines: [`${prefix}${file} cannot be read: ${String(cause)}.`] })
  })

/** Without answers a program may send something else: whoever reads the findings should know. */
const unanswered = (
  programs: ReadonlyArray<Migrator.Program>,
  config: DatabaseConfig | undefined
): string | undefined => {
  const paper = programs.filter((one) => one.recordings.some(({ from }) => from === "paper"))
  if (paper.length === 0) return undefined
  const those = `${plural(paper.length, "migration was", "migrations were")} recorded where nothing answered (${paper.map(label).join(", ")})`
  const [why] = paper[0]?.recordings.flatMap(({ incomplete }) => incomplete) ?? []
  return config === undefined
    ? `${prefix}${those}. With a database configured, it is done on an empty one beside that.`
    : `${prefix}${those}. ${sentence(`Of the first: ${why}`)}`
}

/** @since 0.1.0 @category commands */
export const lint: Run = (options, args) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    if (options.json && ["text", "github"].includes(options.format ?? "json")) {
      return yield* Effect.fail(
        usageError(`--json and --format ${options.format} say different things. Give one of them`)
      )
    }
    const { config, product } = yield* database(options)
    const all = yield* told(Migrator.fromDirectory(folders(options)))
    const chosen = [...new Set(args.length === 0 ? all : (yield* told(wanted(all, args))).flat())]
    const written = chosen.filter((one) => one.kind === "sql")
    const ids = chosen.filter((one) => one.kind !== "sql").map(({ id }) => id)
    const programs = yield* recordings(source(options), ids, product, config)
    const findings = yield* Effect.forEach([...written, ...programs], (one) => {
      const { file = label(one) } = one
      return Effect.flatMap(textOf(file), (text) =>
        told(
          "recordings" in one
            ? Lint.lintProgram({ ...one, file, source: text, product })
            : Lint.lintFile({ file, text, product })
        )
      )
    })
    const found = findings.flat().sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0))
    const text = formats[options.format ?? (options.json ? "json" : "text")](found)
    if (text !== "") yield* terminal.print(text)
    const beside = unanswered(programs, config)
    if (beside !== undefined && (options.format ?? "text") === "text" && !options.json) yield* terminal.complain(beside)
    return found.some(({ level }) => level === "error") ? 1 : 0
  })
