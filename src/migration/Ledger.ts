/**
 * The ledger: one row per revision that this database has, or is about to have. Compared with the files as a set. Where
 * DDL is transactional, a row and what it stands for are committed together; otherwise `state` and `step` say how far it
 * came. Every write happens under the migration lock.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection, Row } from "../Dialect.js"
import * as Change from "../model/Change.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import * as Table from "../model/Table.js"
import { quoted } from "../schema/Spelling.js"
import type { Node } from "./Graph.js"
import * as Literal from "./Literal.js"

/** @since 0.1.0 @category models */
export type State = "applied" | "applying" | "reverting"

/** How it came to stand there: by being run, by `stamp`, or taken over from another tool's ledger. @since 0.1.0 @category models */
export type Origin = "run" | "stamped" | "adopted"

/** @since 0.1.0 @category models */
export interface Entry {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly checksum: string | undefined
  readonly parents: ReadonlyArray<string>
  readonly state: State
  readonly origin: Origin
  /**
   * Statements done, of a revision that is not transactional. Negative: one was begun outside of any transaction and has
   * not been heard of since; -3 says that the third was begun and two are done.
   */
  readonly step: number
  readonly sequence: number
  readonly startedAt: Date
  readonly finishedAt: Date | undefined
  readonly appliedBy: string
  readonly error: string | undefined
}

/** Where the ledger is. @since 0.1.0 @category models */
export interface Place {
  readonly table: string
  readonly schema?: string | undefined
}

/** The ledger's name, with its schema where it has one: what the lock is called. @since 0.1.0 @category accessors */
export const lockName = (place: Place): string =>
  place.schema === undefined ? place.table : `${place.schema}.${place.table}`

const columns = {
  id: Table.text.pipe(Table.primaryKey),
  name: Table.text,
  kind: Table.text,
  checksum: Table.text.pipe(Table.nullable),
  parents: Table.text,
  state: Table.text.pipe(Table.check("state IN ('applied', 'applying', 'reverting')")),
  origin: Table.text.pipe(Table.check("origin IN ('run', 'stamped', 'adopted')")),
  step: Table.int.pipe(Table.withDefault(0)),
  sequence: Table.int.pipe(Table.unique),
  started_at: Table.timestamp,
  finished_at: Table.timestamp.pipe(Table.nullable),
  applied_by: Table.text,
  error: Table.text.pipe(Table.nullable)
}
const names = Object.keys(columns) as ReadonlyArray<Column>

/**
 * What a comparison with the files needs, as one text: at every start hundreds of rows are read, and as rows they cost three
 * times as much here. Nothing in front of the parents holds a space, and the separators are what no text of a person holds.
 */
const line = ["id", "kind", "checksum", "state", "step", "sequence", "parents"] as const
const row = "\u001e"
const field = "\u001f"
const bare = (text: string): string => `replace(replace(${text}, '${row}', ' '), '${field}', ' ')`
const shortly = [
  line.map((name) => (name === "checksum" ? `coalesce("${name}", '')` : `CAST("${name}" AS text)`)).join(" || ' ' || "),
  bare(`"name"`),
  bare(`coalesce("error", '')`)
].join(` || '${field}' || `)

/** Nobody asks these rows when they were written. */
const never = new Date(0)

/** No rows are no text. */
const lines = ([only]: ReadonlyArray<Row>): ReadonlyArray<string> => only?.[0]?.split(row) ?? []

const short = (rows: ReadonlyArray<Row>): ReadonlyArray<Entry> =>
  lines(rows).map((text) => {
    const [line = "", name = "", error = ""] = text.split(field)
    const [id = "", kind = "", checksum, state, step, sequence, ...parents] = line.split(" ")
    return {
      id,
      name,
      kind,
      checksum: checksum === "" ? undefined : checksum,
      parents: JSON.parse(parents.join(" ")),
      // Only these three can stand in the table.
      state: state as State,
      origin: "run",
      step: Number(step),
      sequence: Number(sequence),
      startedAt: never,
      finishedAt: undefined,
      appliedBy: "",
      error: error === "" ? undefined : error
    }
  })

/** What the lines of nodes begin with that are all applied, each from the text it has now. */
const expected = (nodes: ReadonlyArray<Node>): ReadonlyArray<string> => {
  const known = expectations.get(nodes)
  if (known !== undefined) return known
  const made = nodes.map(({ checksum = "", id, kind }) => `${id} ${kind} ${checksum} applied `)
  expectations.set(nodes, made)
  return made
}

/** A graph's nodes never change, and a process that looks again mostly has the same. */
const expectations = new WeakMap<ReadonlyArray<Node>, ReadonlyArray<string>>()

/** Whether these rows are those of the nodes, all applied and unchanged, and in the same order. */
const same = (rows: ReadonlyArray<Row>, nodes: ReadonlyArray<Node>): boolean => {
  const there = lines(rows)
  return there.length === nodes.length && expected(nodes).every((start, i) => there[i]?.startsWith(start))
}

/** A ledger of one database. @since 0.1.0 @category models */
export interface Ledger {
  readonly place: Place
  /** Makes it where it is not there. Only under the lock: IF NOT EXISTS races. */
  readonly create: (own: DriverConnection) => Effect.Effect<void, DatabaseError>
  readonly select: string
  readonly decode: (rows: ReadonlyArray<Row>) => ReadonlyArray<Entry>
  /** What a comparison with the files needs, as arrays; `same` where it needs no more than a glance. */
  readonly brief: {
    readonly select: string
    readonly decode: (rows: ReadonlyArray<Row>) => ReadonlyArray<Entry>
    readonly same: (rows: ReadonlyArray<Row>, nodes: ReadonlyArray<Node>) => boolean
  }
  readonly read: (own: DriverConnection) => Effect.Effect<ReadonlyArray<Entry>, DatabaseError>
  readonly insert: (own: DriverConnection, entry: Entry) => Effect.Effect<void, DatabaseError>
  readonly update: (own: DriverConnection, id: string, fields: Fields) => Effect.Effect<void, DatabaseError>
  readonly remove: (own: DriverConnection, id: string) => Effect.Effect<void, DatabaseError>
  /** The same writes as texts that need no parameters. */
  readonly texts: {
    readonly create: ReadonlyArray<string>
    readonly insert: (entry: Entry, written?: Partial<Record<Column, string>>) => string
    readonly update: (id: string, fields: Fields, written?: Partial<Record<Column, string>>) => string
    readonly remove: (id: string) => string
    /** The next free number, as an expression. */
    readonly next: string
  }
}

/** What an update may change. @since 0.1.0 @category models */
export type Fields = Partial<
  Pick<Entry, "state" | "step" | "checksum" | "finishedAt" | "error" | "origin" | "parents" | "kind" | "name">
>

/** @since 0.1.0 @category models */
export type Column = keyof typeof columns

/** @since 0.1.0 @category constructors */
export const make = (dialect: Dialect, place: Place): Ledger => {
  const at = place.schema === undefined ? quoted(place.table) : `${quoted(place.schema)}.${quoted(place.table)}`
  const send = (own: DriverConnection, text: string, params: ReadonlyArray<unknown> = []) =>
    own.run({ text, params: params.map(dialect.encode), prepare: false, rows: "objects" })
  const select = `SELECT ${names.map(quoted).join(", ")} FROM ${at} ORDER BY "sequence"`
  const into = `INSERT INTO ${at} (${names.map(quoted).join(", ")}) VALUES`
  const insert = `${into} (${names.map((_, i) => dialect.placeholder(i + 1)).join(", ")})`
  const create = dialect.ddl(
    Change.make.CreateTable({
      table: Table.definition(Table.make(place.table, columns, undefined, { schema: place.schema })),
      ifNotExists: true
    }),
    LiveSchema.empty
  )
  const literal = (value: unknown): string => Literal.literal(dialect, value) ?? "NULL"
  return {
    place,
    select,
    decode: (rows) => rows.map(entry),
    brief: {
      select: `SELECT string_agg(${shortly}, '${row}' ORDER BY "sequence") FROM ${at}`,
      decode: short,
      same
    },
    create: (own) => Effect.forEach(create, (text) => own.script(text), { discard: true }),
    read: (own) => Effect.map(send(own, select), (reply) => reply.rows.map(entry)),
    insert: (own, entry) => Effect.asVoid(send(own, insert, values(entry))),
    update: (own, id, fields) => {
      const set = assignments(fields)
      const text = set.map(([name], i) => `${quoted(name)} = ${dialect.placeholder(i + 1)}`).join(", ")
      return Effect.asVoid(
        send(own, `UPDATE ${at} SET ${text} WHERE "id" = ${dialect.placeholder(set.length + 1)}`, [
          ...set.map(([, value]) => value),
          id
        ])
      )
    },
    remove: (own, id) => Effect.asVoid(send(own, `DELETE FROM ${at} WHERE "id" = ${dialect.placeholder(1)}`, [id])),
    texts: {
      create,
      insert: (entry, written = {}) => {
        const given = values(entry)
        return `${into} (${names.map((name, i) => written[name] ?? literal(given[i])).join(", ")})`
      },
      update: (id, fields, written = {}) =>
        `UPDATE ${at} SET ${[
          ...assignments(fields).map(([name, value]) => `${quoted(name)} = ${literal(value)}`),
          ...Object.entries(written).map(([name, text]) => `${quoted(name)} = ${text}`)
        ].join(", ")} WHERE "id" = ${literal(id)}`,
      remove: (id) => `DELETE FROM ${at} WHERE "id" = ${literal(id)}`,
      next: `(SELECT coalesce(max("sequence"), 0) + 1 FROM ${at})`
    }
  }
}

const assignments = (fields: Fields): ReadonlyArray<readonly [name: string, value: unknown]> =>
  Object.entries(fields).map(([key, value]) => [
    columnOf[key] ?? key,
    key === "parents" ? JSON.stringify(value) : (value ?? null)
  ])

const columnOf: Readonly<Record<string, string>> = { finishedAt: "finished_at" }

const values = (entry: Entry): ReadonlyArray<unknown> => [
  entry.id,
  entry.name,
  entry.kind,
  entry.checksum ?? null,
  JSON.stringify(entry.parents),
  entry.state,
  entry.origin,
  entry.step,
  entry.sequence,
  entry.startedAt,
  entry.finishedAt ?? null,
  entry.appliedBy,
  entry.error ?? null
]

const entry = (row: Row): Entry => ({
  id: row.id,
  name: row.name,
  kind: row.kind,
  checksum: row.checksum ?? undefined,
  parents: JSON.parse(row.parents),
  state: row.state,
  origin: row.origin,
  step: Number(row.step),
  sequence: Number(row.sequence),
  startedAt: new Date(row.started_at),
  finishedAt: row.finished_at === null ? undefined : new Date(row.finished_at),
  appliedBy: row.applied_by,
  error: row.error ?? undefined
})

/** How many statements are done for certain. @since 0.1.0 @category accessors */
export const doneSteps = (step: number): number => (step < 0 ? -step - 1 : step)

/** The next free number. @since 0.1.0 @category accessors */
export const nextSequence = (entries: ReadonlyArray<Entry>): number =>
  entries.reduce((most, entry) => Math.max(most, entry.sequence), 0) + 1

/** The row of a revision that is about to be run, or has been. @since 0.1.0 @category constructors */
export const entryOf = (node: Node, fields: Omit<Entry, "id" | "name" | "kind" | "checksum" | "parents">): Entry => ({
  id: node.id,
  name: node.name,
  kind: node.kind,
  checksum: node.checksum,
  parents: node.parents,
  ...fields
})
