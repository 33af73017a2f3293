/**
 * The table `schema_version`: one row for each version this database was brought to. It is written under the migration lock
 * and holds no checksum; a table of that shape that another program made is taken as it is.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { withConnection } from "../../client/withConnection.js"
import type { Connections } from "../../connection/Connections.js"
import type { Dialect, Row } from "../../Dialect.js"
import * as Change from "../../model/Change.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import * as LiveSchema from "../../model/LiveSchema.js"
import * as Table from "../../model/Table.js"
import { carryOut } from "../../schema/Render.js"
import { quoted } from "../../schema/Spelling.js"
import { lockName, type Place } from "../Ledger.js"

/** A row. @since 0.1.0 @category models */
export interface Entry {
  readonly version: number
  readonly appliedAt: Date
}

/** @since 0.1.0 @category models */
export interface Register {
  readonly name: string
  readonly table: string
  /** The highest version, 0 where there is none; one SELECT, and nothing is made by it. */
  readonly current: (connections: Connections) => Effect.Effect<number, DatabaseError>
  /** The same on the session in use, where the table is there. */
  readonly currentHere: Effect.Effect<number, DatabaseError, SqlClient.SqlClient>
  readonly entries: (connections: Connections) => Effect.Effect<ReadonlyArray<Entry>, DatabaseError>
  /** Makes it where it is not there. Only under the lock: IF NOT EXISTS races. */
  readonly create: Effect.Effect<void, DatabaseError, SqlClient.SqlClient>
  readonly insert: (version: number) => Effect.Effect<void, DatabaseError, SqlClient.SqlClient>
}

/** Without a time zone, and written in UTC, as those have it who made such tables before. */
const appliedAt: Table.Column.Any = {
  ...Table.timestamp.pipe(Table.withDefault("now")),
  type: { _tag: "raw", sql: { postgresql: "timestamp", sqlite: "TIMESTAMP" } }
}

/** @since 0.1.0 @category constructors */
export const make = (dialect: Dialect, place: Place): Register => {
  const at = place.schema === undefined ? quoted(place.table) : `${quoted(place.schema)}.${quoted(place.table)}`
  const highest = `SELECT max("version") AS "version" FROM ${at}`
  const all = `SELECT "version", CAST("applied_at" AS text) AS "at" FROM ${at} ORDER BY "version"`
  const insert = `INSERT INTO ${at} ("version", "applied_at") VALUES (${dialect.placeholder(1)}, ${dialect.placeholder(2)})`
  const create = Change.make.CreateTable({
    table: Table.definition(
      Table.make(place.table, { version: Table.bigint.pipe(Table.primaryKey), applied_at: appliedAt }, undefined, {
        schema: place.schema
      })
    ),
    ifNotExists: true
  })

  /** A database without the table has no rows, and so has one that is not there yet: it is not made by looking. */
  const asked = (connections: Connections, text: string): Effect.Effect<ReadonlyArray<Row>, DatabaseError> => {
    const { config, reserve, run } = connections
    const select = Effect.map(
      run({ text, params: [], prepare: config.prepare, rows: "objects" }),
      ({ rows }): ReadonlyArray<Row> => rows
    )
    const found = Effect.catchTag(select, "SqlSyntaxError", (refused) => {
      if (place.schema !== undefined) return absent(refused.sqlState) ? Effect.succeed([]) : Effect.fail(refused)
      return Effect.flatMap(Effect.scoped(Effect.flatMap(reserve, dialect.inspect)), (schema) =>
        LiveSchema.table(schema, place.table) === undefined ? Effect.succeed([]) : select
      )
    })
    return dialect.unmade === undefined
      ? found
      : Effect.flatMap(dialect.unmade(config), (unmade) => (unmade ? Effect.succeed([]) : found))
  }

  return {
    name: lockName(place),
    table: place.table,
    current: (connections) => Effect.map(asked(connections, highest), version),
    currentHere: Effect.map(
      withConnection((own) => own.run({ text: highest, params: [], prepare: false, rows: "objects" })),
      ({ rows }) => version(rows)
    ),
    entries: (connections) =>
      Effect.map(asked(connections, all), (rows) =>
        rows.map((row) => ({ version: Number(row.version), appliedAt: moment(String(row.at)) }))
      ),
    create: withConnection((own) => carryOut(dialect, own, create)),
    insert: (version) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        withConnection((own) =>
          Effect.asVoid(
            own.run({
              text: insert,
              params: [version, new Date(now).toISOString()].map(dialect.encode),
              prepare: false,
              rows: "objects"
            })
          )
        )
      )
  }
}

/** Where the schema is another than what is inspected, the server's word is taken; SQLite gives none. */
const absent = (sqlState: string | undefined): boolean =>
  sqlState === undefined || sqlState === "42P01" || sqlState === "3F000"

const version = ([row]: ReadonlyArray<Row>): number => Number(row?.version ?? 0)

/** `2026-11-20 22:54:10.5`, with a zone (`+00`) where the column has one. */
const moment = (text: string): Date => {
  const iso = text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")
  return new Date(/(?:Z|[+-]\d\d:\d\d)$/.test(iso) ? iso : `${iso}Z`)
}
