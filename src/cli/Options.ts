/**
 * Every option there is, in one table: how it is written, what its value is and what it means. The parser, the help and the
 * shells' completions are all made from it.
 *
 * @since 0.1.0
 */
import type * as Cli from "@effect/cli/Options"
import * as Option from "effect/Option"

/** @since 0.1.0 @category models */
export interface Kind<A> {
  /** How its value is called in the help; without one it is a flag. */
  readonly value?: string
  readonly short?: string
  /** May be given more than once. */
  readonly many?: boolean
  /** What shells complete its value with. */
  readonly completes?: "file" | "folder"
  /** Belongs to every command. */
  readonly global?: boolean
  readonly meaning: string
  /** The end of "--steps takes …", for a value that is none. */
  readonly expects: string
  /** Decodes its value, with a module that is loaded when there is one to decode; without it text is taken as it is. */
  readonly parser?: (cli: typeof Cli, name: string) => Cli.Options<A>
}

type Details = Omit<Kind<unknown>, "parser" | "expects" | "value" | "many" | "completes">

const flag = (details: Details): Kind<boolean> => ({ ...details, expects: "no value" })

const text = (value: string, details: Details): Kind<string | undefined> => ({
  ...details,
  value,
  expects: "a value"
})

/** Paths are text that shells complete. */
const path = (value: string, details: Details): Kind<string | undefined> => ({
  ...details,
  value,
  completes: "file",
  expects: "the path of a file, not of a folder",
  parser: (cli, name) => cli.file(name)
})

const many = (value: string, details: Details): Kind<ReadonlyArray<string>> => ({
  ...details,
  value,
  many: true,
  expects: "a value"
})

const paths = (value: string, details: Details): Kind<ReadonlyArray<string>> => ({
  ...many(value, details),
  completes: "folder",
  expects: "the path of a folder, not of a file",
  parser: (cli, name) => cli.repeated(cli.directory(name))
})

const number = (details: Details): Kind<number | undefined> => ({
  ...details,
  value: "N",
  expects: "a whole number from 1",
  parser: (cli, name) =>
    cli.filterMap(
      cli.integer(name),
      (n) => (Number.isSafeInteger(n) && n >= 1 && n < 1_000_000 ? Option.some(n) : Option.none()),
      "a whole number from 1"
    )
})

const choice = <const A extends string>(
  choices: readonly [A, ...ReadonlyArray<A>],
  details: Details
): Kind<A | undefined> => ({
  ...details,
  value: choices.join("|"),
  expects: `one of ${choices.join(", ")}`,
  parser: (cli, name) => cli.choice(name, choices)
})

/** In the order of the help. @since 0.1.0 @category defaults */
export const kinds = {
  steps: number({ meaning: "at most so many migrations" }),
  down: flag({ meaning: "the way down in place of the way up" }),
  message: text("TEXT", { short: "m", meaning: "what it is for; becomes part of the file's name" }),
  revises: many("REVISION", { meaning: "the revision it follows, in place of the head" }),
  kind: choice(["ts", "sql"], { meaning: "the file's kind; else that of the last one there" }),
  autogenerate: flag({ meaning: "write what takes the database to the declared tables" }),
  from: path("FILE", { meaning: "the module that exports the declared tables (schema.ts, else src/schema.ts)" }),
  ignore: many("TABLE", { meaning: "a table that is not declared and stays all the same" }),
  as: choice(["mermaid", "dot"], { meaning: "what the diagram is written for" }),
  out: path("FILE", { meaning: "write it there, and not to standard output" }),
  "allow-out-of-order": flag({ meaning: "run also what comes before an applied migration" }),
  "check-heads": flag({ meaning: "exit 3 unless the database is at the head" }),
  purge: flag({ meaning: "forget everything the ledger knows first" }),
  accept: many("REVISION", { meaning: "its changed file means nothing: take the new checksum" }),
  applied: many("REVISION", { meaning: "it stopped half-way and was finished by hand" }),
  forget: many("REVISION", { meaning: "it was undone by hand, or its file is gone for good" }),
  done: many("REVISION", { meaning: "the statement it stopped at is done: go on behind it" }),
  undone: many("REVISION", { meaning: "the statement it stopped at is not done: begin with it" }),
  format: choice(["text", "json", "github", "sarif"], { meaning: "how findings are written" }),
  product: choice(["postgres", "sqlite"], { meaning: "whose grammar they are written in; else the database's" }),
  all: flag({ meaning: "every session on this database, not only those under our name" }),
  watch: flag({ short: "w", meaning: "ask again and again, until Ctrl-C" }),
  every: number({ meaning: "seconds between two questions of --watch (2)" }),
  url: text("URL", { global: true, meaning: "the database, in place of DATABASE_URL" }),
  config: path("FILE", {
    global: true,
    meaning: "settings from .env, .yaml, .json, .ini or .toml, in place of the environment"
  }),
  "env-file": path("FILE", { global: true, meaning: "variables behind those of the environment, in place of .env" }),
  migrations: paths("FOLDER", { global: true, meaning: "where the migrations are (./migrations); may be given again" }),
  table: text("NAME", { global: true, meaning: "the ledger's table (aquifer_migrations)" }),
  schema: text("NAME", { global: true, meaning: "the ledger's schema, where it is not the connection's own" }),
  yes: flag({ global: true, short: "y", meaning: "do it without asking" }),
  json: flag({ global: true, meaning: "the result as one JSON object" }),
  "log-level": choice(["all", "trace", "debug", "info", "warning", "error", "fatal", "none"], {
    global: true,
    meaning: "the least that is logged to standard error"
  }),
  completions: choice(["bash", "zsh", "fish"], { global: true, meaning: "print a completion script for this shell" }),
  help: flag({ global: true, short: "h", meaning: "show this" }),
  version: flag({ global: true, meaning: "show the version" })
} as const

/** @since 0.1.0 @category models */
export type Name = keyof typeof kinds

type Value<K> = K extends Kind<infer A> ? A : never

/** What was written, decoded; of an option that was not: nothing, false or an empty list. @since 0.1.0 @category models */
export type Options = { readonly [N in Name]: Value<(typeof kinds)[N]> }

/** @since 0.1.0 @category accessors */
// `Object.keys` forgets the keys' type.
export const names = Object.keys(kinds) as ReadonlyArray<Name>

/** An option without the types of its own value. @since 0.1.0 @category accessors */
export const kindOf = (name: Name): Kind<unknown> => kinds[name]

/** Those of every command. @since 0.1.0 @category accessors */
export const globals: ReadonlyArray<Name> = names.filter((name) => kindOf(name).global)
