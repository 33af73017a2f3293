/**
 * `aquifer migrate lint`: dangerous DDL in the files, before it is run. Needs no database; the one that is configured only
 * says which grammar its migrations are written in.
 *
 * @since 0.1.0
 */
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Lint from "../../migration/Lint.js"
import * as Migrator from "../../migration/Migrator.js"
import { label, type Revision } from "../../migration/Revision.js"
import type { Driver } from "../../model/DatabaseConfig.js"
import { MigrationError } from "../../model/MigrationError.js"
import { type Command, Told, told } from "../Command.js"
import { prefix } from "../Failure.js"
import type { Options } from "../Options.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import { folders } from "./source.js"

const grammars: Readonly<Record<Driver, Lint.Product>> = { postgres: "postgres", pglite: "postgres", sqlite: "sqlite" }

/** Linting needs no database, so none has to be configured. */
const product = (options: Options): Effect.Effect<Lint.Product> =>
  options.product !== undefined
    ? Effect.succeed(options.product)
    : Target.resolve(options).pipe(
        Effect.map(({ target }) => grammars[target.driver]),
        Effect.orElseSucceed(() => "postgres" as const)
      )

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

/** @since 0.1.0 @category commands */
export const lint: Command = {
  name: "migrate lint",
  summary: "dangerous DDL in .sql migrations; exits 1 when there are errors",
  takes: ["format", "product"],
  argument: { name: "revision", least: 0, most: 1_000 },
  notes: ["Without a revision it looks at all of them. A finding is allowed with a comment that gives the reason."],
  run: (options, args) =>
    Effect.gen(function* () {
      const terminal = yield* Terminal
      const on = yield* product(options)
      const all = yield* told(Migrator.fromDirectory(folders(options)))
      const chosen = args.length === 0 ? all : (yield* told(wanted(all, args))).flat()
      const files = [...new Set(chosen)].flatMap((one) =>
        one.kind === "sql" && one.file !== undefined ? [one.file] : []
      )
      const findings = yield* Effect.forEach(files, (file) =>
        Effect.flatMap(textOf(file), (text) => told(Lint.lintFile({ file, text, product: on })))
      )
      const found = findings.flat()
      const text = formats[options.format ?? (options.json ? "json" : "text")](found)
      if (text !== "") yield* terminal.print(text)
      const others = new Set(chosen).size - files.length
      if (others > 0 && (options.format ?? "text") === "text" && !options.json) {
        yield* terminal.complain(
          `${prefix}${others} of ${new Set(chosen).size} migrations are programs, which are not looked at: aquifer migrate plan shows their SQL.`
        )
      }
      return found.some(({ level }) => level === "error") ? 1 : 0
    })
}
