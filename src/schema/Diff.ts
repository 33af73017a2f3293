/**
 * The changes that make a live database what is declared. What is declared is made on a scratch database first, so that the
 * product prints both sides; where texts still differ, both are made again and printed again, twice.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import type { Dialect, DriverConnection } from "../Dialect.js"
import * as Change from "../model/Change.js"
import type { SqlType } from "../model/Column.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import { again, printed, textually } from "./Alike.js"
import { type DatabaseSchema, type Declared, resolve } from "./Declared.js"
import { definitionOf } from "./Definition.js"
import { compare, type Sides } from "./diff/compare.js"
import type { Cast, Step } from "./diff/Pair.js"
import { renames } from "./diff/renames.js"
import { created } from "./diff/tables.js"
import { isLedger } from "./ledgers.js"
import { SchemaError } from "./SchemaError.js"
import * as Scratch from "./Scratch.js"
import { learned, sample, type Words } from "./Words.js"

/** @since 0.1.0 @category models */
export interface Options {
  /** Live tables and enums that nobody declared and that stay: names, or whoever this says yes to. */
  readonly ignore?: ReadonlyArray<string> | ((name: string) => boolean) | undefined
  /** Whether other live tables and enums that nobody declared are dropped; `true` by default. */
  readonly drop?: boolean | undefined
}

/** Whether it stays although nobody declared it, because that was said. @since 0.1.0 @category guards */
export const isIgnored = ({ ignore = [] }: Pick<Options, "ignore">, name: string): boolean =>
  typeof ignore === "function" ? ignore(name) : ignore.includes(name)

const drops =
  ({ prefix }: DatabaseSchema, options: Options) =>
  (name: string): boolean =>
    options.drop !== false &&
    !isLedger(name) &&
    (prefix === "" || name.startsWith(`${prefix}_`)) &&
    !isIgnored(options, name)

/** The schema of the database in use. @since 0.1.0 @category looking */
export const inspect: Effect.Effect<LiveSchema.LiveSchema, DatabaseError, SqlClient.SqlClient> = Effect.flatMap(
  Connections.current,
  (connections) => inspected(connections)
)

const inspected = (connections: Connections.Connections): Effect.Effect<LiveSchema.LiveSchema, DatabaseError> =>
  looked(connections, connections.dialect.inspect, LiveSchema.empty)

/** What a session sees; a database that is not there yet has `nothing`, and is not made by looking. @since 0.1.0 @category looking */
export const looked = <A>(
  { config, dialect, reserve }: Connections.Connections,
  look: (own: DriverConnection) => Effect.Effect<A, DatabaseError>,
  nothing: A
): Effect.Effect<A, DatabaseError> => {
  const there = Effect.scoped(Effect.flatMap(reserve, look))
  return dialect.unmade === undefined
    ? there
    : Effect.flatMap(dialect.unmade(config), (unmade) => (unmade ? Effect.succeed(nothing) : there))
}

/** All there is to make of what is declared, in an order it can be made in. @since 0.1.0 @category conversions */
export const creation = (declared: Declared): ReadonlyArray<Change.Change> => [
  ...declared.enums.map((one) => Change.make.CreateEnum(one)),
  ...created(declared.tables.map(({ definition }) => definition)).map(({ change }) => change)
]

/**
 * The changes that make the live database what is declared, in the order they are to be made in, each with its inverse where
 * there can be one. Reads; what is written is written on a scratch database. Fails with `SchemaError` where the tables make
 * no schema, or the product refuses them.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const diff = (
  schema: DatabaseSchema,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Change.Change>, DatabaseError | SchemaError, SqlClient.SqlClient> =>
  Effect.flatMap(Connections.current, (connections) => diffOn(connections, schema, options)).pipe(
    Effect.withSpan("DatabaseSchema.diff", { captureStackTrace: false })
  )

/** `diff` on connections already at hand. @since 0.1.0 @category comparisons */
export const diffOn = (
  connections: Connections.Connections,
  schema: DatabaseSchema,
  options: Options
): Effect.Effect<ReadonlyArray<Change.Change>, DatabaseError | SchemaError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { dialect } = connections
      const declared = yield* resolve(schema)
      const live = yield* inspected(connections)
      const scratch = yield* Scratch.make(connections)
      const requires = declared.requires.map((sql) => Change.make.Execute({ sql }))
      const made = yield* Effect.mapError(scratch.made([...requires, ...creation(declared), createSample]), refused)
      const words = wordsOf(made, dialect)
      const sides: Sides = {
        declared,
        wanted: LiveSchema.without(made, [sample.name]),
        live,
        words,
        alike: textually(dialect.normal),
        again: undefined,
        drops: drops(schema, options)
      }
      const first = compare(sides)
      if (first.every(({ change }) => change._tag === "CreateTable" || change._tag === "CreateEnum")) {
        return first.map(({ change }) => change)
      }

      /** The same once more, in the product's own words. */
      const next = (before: LiveSchema.LiveSchema) =>
        scratch.madeOf([
          ...requires.map((whole) => ({ whole })),
          ...again(before, (table) => definitionOf(table, before, words))
        ])
      const concerned = involved(first)
      const some = (all: LiveSchema.LiveSchema) => ({
        ...all,
        tables: all.tables.filter(({ name }) => concerned.has(name))
      })
      const there = some(renames(declared, live).schema)
      const there1 = yield* next(there)
      const steps = yield* Effect.gen(function* () {
        if (dialect.normal !== undefined) return compare({ ...sides, again: there1 })
        const there2 = yield* next(there1)
        const wanted = some(sides.wanted)
        const wanted1 = yield* next(wanted)
        const wanted2 = yield* next(wanted1)
        const alike = printed(sides.alike, [there, there1, there2], [wanted, wanted1, wanted2])
        return compare({ ...sides, alike, again: there1 })
      })
      return yield* Effect.forEach(steps, (step) => converted(scratch, step))
    })
  )

const wordsOf = (made: LiveSchema.LiveSchema, dialect: Dialect): Words =>
  learned(made.tables.find(({ name }) => name === sample.name) ?? { ...nothing, name: sample.name }, dialect)

const createSample = Change.make.CreateTable({ table: sample, ifNotExists: false })

/** What the product calls things. @since 0.1.0 @category looking */
export const printedWords = (
  scratch: Scratch.Scratch,
  requires: DatabaseSchema["requires"] = []
): Effect.Effect<Words, DatabaseError> =>
  Effect.map(
    scratch.madeOf([...requires.map((sql) => ({ whole: Change.make.Execute({ sql }) })), { whole: createSample }]),
    (made) => wordsOf(made, scratch.dialect)
  )

const nothing = { columns: [], uniques: [], foreignKeys: [], checks: [], exclusions: [], indexes: [], triggers: [] }

/** The product's answer to a table is the tables' fault; a lost connection is not. */
const refused = (error: DatabaseError): DatabaseError | SchemaError =>
  error.group === "connection" || error.group === "pool"
    ? error
    : new SchemaError({
        reason: "refused",
        problem: `the database does not take the declared tables: ${error.reason.replace(/[.\s]+$/, "")}`,
        remedy: error.hint?.replace(/\.$/, "") ?? "Mend the declaration, or say what it stands on in `requires`",
        cause: error
      })

/** The tables the steps are about. */
const involved = (steps: ReadonlyArray<Step>): ReadonlySet<string> =>
  new Set(
    steps.flatMap(({ change }) => {
      if ("table" in change && typeof change.table === "string") return [change.table]
      return change._tag === "DropTable" ? [change.name] : change._tag === "RenameTable" ? [change.to] : []
    })
  )

/** Where values do not become those of another type by themselves, they are told how, if that helps. */
const converted = (scratch: Scratch.Scratch, { cast, change }: Step): Effect.Effect<Change.Change, DatabaseError> =>
  Effect.gen(function* () {
    if (change._tag !== "AlterColumn" || cast === undefined) return change
    const forth = yield* using(scratch, change.column, cast.from, cast.to, cast.forth)
    const back = change.was === undefined ? {} : yield* using(scratch, change.column, cast.to, cast.from, cast.back)
    return { ...change, to: { ...change.to, ...forth }, was: change.was && { ...change.was, ...back } }
  })

const using = (
  scratch: Scratch.Scratch,
  column: string,
  from: SqlType,
  to: SqlType,
  how: Cast["forth"]
): Effect.Effect<Pick<Change.ColumnPatch, "using">, DatabaseError> => {
  const table = sample.name
  const enums = new Map([from, to].flatMap(enumsOf).map((one) => [one.name, one]))
  const takes = (patch: Change.ColumnPatch) =>
    scratch.takes([
      ...[...enums.values()].map((one) => Change.make.CreateEnum(one)),
      Change.make.CreateTable({
        table: { name: table, columns: [{ name: column, type: from, nullable: true }], constraints: [], indexes: [] },
        ifNotExists: false
      }),
      Change.make.AlterColumn({ table, column, to: patch })
    ])
  return Effect.flatMap(takes({ type: to }), (alone) =>
    alone ? Effect.succeed({}) : Effect.map(takes({ type: to, using: how }), (helps) => (helps ? { using: how } : {}))
  )
}

const enumsOf = (type: SqlType): ReadonlyArray<LiveSchema.LiveEnum> => {
  if (type._tag === "array") return enumsOf(type.of)
  return type._tag === "enum" ? [{ name: type.name, values: type.values }] : []
}
