/**
 * A schema (the first of the search path) read into a `LiveSchema` by plain joins over `pg_catalog`: subqueries within
 * subqueries are what its planner does not always take apart. Hidden columns (`rowid`, those of hash-sharded indexes), and
 * a primary key made of them, are the server's own and left out. A unique index is a unique constraint there. Triggers are
 * known by their names alone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection, Row } from "../../Dialect.js"
import type { DatabaseError } from "../../model/DatabaseError.js"
import type { LiveSchema } from "../../model/LiveSchema.js"
import { type Rows, schemaOf } from "./shape.js"

const here = "n.nspname = current_schema()"

/** One statement for each kind of thing; the names are those of `Rows`. */
const texts: Readonly<Record<keyof Rows, string>> = {
  schema: "SELECT current_schema()::text AS name",
  tables: `SELECT c.oid::text AS id, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ${here} AND c.relkind IN ('r', 'p') ORDER BY c.relname`,
  columns: `SELECT a.attrelid::text AS "tableId", a.attnum::int4 AS number, a.attname::text AS name,
      format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
      pg_get_expr(d.adbin, d.adrelid) AS expression, a.attidentity::text AS identity, a.attgenerated::text AS generated,
      CASE WHEN a.attcollation <> t.typcollation THEN l.collname::text END AS "collate",
      col_description(c.oid, a.attnum) AS comment
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    WHERE ${here} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`,
  // All of it, because only CockroachDB has the column that is wanted: is_hidden (sqlalchemy-cockroachdb reads it here, too).
  hidden: "SELECT * FROM information_schema.columns WHERE table_schema = current_schema()",
  constraints: `SELECT k.conrelid::text AS "tableId", k.conname::text AS name, k.contype::text AS type, k.conindid::text AS "indexId",
      array_to_string(k.conkey, ' ') AS columns, k.confrelid::text AS "targetId", f.relname::text AS target, fn.nspname::text AS "targetSchema",
      array_to_string(k.confkey, ' ') AS targets, k.confdeltype::text AS "onDelete", k.confupdtype::text AS "onUpdate",
      k.condeferred AS deferrable, k.convalidated AS valid, pg_get_constraintdef(k.oid) AS definition
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
    WHERE ${here} AND k.contype IN ('p', 'u', 'f', 'c') ORDER BY k.conname`,
  targets: `SELECT a.attrelid::text AS "tableId", a.attnum::int4 AS number, a.attname::text AS name
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_constraint k ON k.confrelid = a.attrelid
      JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ${here} AND k.contype = 'f' AND a.attnum > 0`,
  indexes: `SELECT i.indexrelid::text AS id, i.indrelid::text AS "tableId", ic.relname::text AS name, i.indisunique AS "unique",
      i.indisvalid AS valid, am.amname::text AS "using", pg_get_expr(i.indpred, i.indrelid) AS "where", pg_get_indexdef(i.indexrelid) AS sql
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
      JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_am am ON am.oid = ic.relam
    WHERE ${here} ORDER BY ic.relname`,
  parts: `SELECT i.indexrelid::text AS id, g.n::int4 AS n, pg_get_indexdef(i.indexrelid, g.n, false) AS part
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN generate_series(1, 64) AS g(n) ON g.n <= i.indnkeyatts
    WHERE ${here} ORDER BY i.indexrelid, g.n`,
  enums: `SELECT t.typname::text AS name, e.enumlabel::text AS value
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
    WHERE ${here} ORDER BY t.typname, e.enumsortorder`,
  views: `SELECT c.relname::text AS name, c.relkind::text AS kind, pg_get_viewdef(c.oid) AS definition
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ${here} AND c.relkind IN ('v', 'm') ORDER BY c.relname`,
  triggers: `SELECT g.tgrelid::text AS "tableId", g.tgname::text AS name
    FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ${here} AND NOT g.tgisinternal ORDER BY g.tgname`,
  sequences: `SELECT c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
    WHERE ${here} AND c.relkind = 'S' AND d.objid IS NULL ORDER BY c.relname`
}

const ask = (own: DriverConnection, text: string): Effect.Effect<ReadonlyArray<Row>, DatabaseError> =>
  Effect.map(own.run({ text, params: [], prepare: false, rows: "objects" }), ({ rows }) => rows)

/** One after the other: what is read is not of one moment, and migrations hold their lock. @since 0.1.0 @category inspection */
export const inspect: Dialect["inspect"] = (connection): Effect.Effect<LiveSchema, DatabaseError> =>
  Effect.map(
    Effect.forEach(Object.entries(texts), ([name, text]) =>
      Effect.map(ask(connection, text), (rows) => [name, rows] as const)
    ),
    // Every name is there, because all texts were asked.
    (answers) => schemaOf(Object.fromEntries(answers) as unknown as Rows)
  )
