/**
 * A PostgreSQL schema (the first of the search path) read into a `LiveSchema`, in one round trip. What belongs to an
 * extension is left out, and so are NOT NULL constraints, which are rows of pg_constraint only since 18: a column says
 * itself whether it may be NULL.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import type { OnDelete } from "../../model/Column.js"
import type { LiveColumn, LiveSchema, LiveTable } from "../../model/LiveSchema.js"

/** Names of columns in a key's own order. */
const columns = (relation: string, numbers: string): string => `(SELECT coalesce(json_agg(a.attname ORDER BY o.n), '[]')
  FROM unnest(${numbers}) WITH ORDINALITY AS o(attnum, n) JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = o.attnum)`

const extended = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`

const query = `WITH here AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = current_schema())
SELECT json_build_object(
  'name', (SELECT nspname FROM here),
  'tables', (SELECT coalesce(json_agg(json_build_object(
    'name', c.relname,
    'comment', obj_description(c.oid, 'pg_class'),
    'columns', (SELECT coalesce(json_agg(json_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
        'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'identity', a.attidentity, 'generated', a.attgenerated, 'expression', pg_get_expr(d.adbin, d.adrelid),
        'collate', CASE WHEN a.attcollation <> t.typcollation THEN (SELECT collname FROM pg_collation WHERE oid = a.attcollation) END,
        'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum), '[]')
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'constraints', (SELECT coalesce(json_agg(json_build_object(
        'name', k.conname, 'type', k.contype, 'columns', ${columns("k.conrelid", "k.conkey")},
        'table', CASE WHEN k.confrelid <> 0 THEN k.confrelid::regclass::text END,
        'targets', ${columns("k.confrelid", "k.confkey")},
        'onDelete', k.confdeltype, 'onUpdate', k.confupdtype, 'deferrable', k.condeferred, 'valid', k.convalidated,
        'definition', pg_get_constraintdef(k.oid), 'check', CASE WHEN k.contype = 'c' THEN pg_get_expr(k.conbin, k.conrelid) END) ORDER BY k.conname), '[]')
      FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')),
    'indexes', (SELECT coalesce(json_agg(json_build_object(
        'name', ic.relname, 'unique', i.indisunique, 'valid', i.indisvalid AND i.indisready, 'using', am.amname,
        'where', pg_get_expr(i.indpred, i.indrelid), 'sql', pg_get_indexdef(i.indexrelid),
        'columns', (SELECT json_agg(pg_get_indexdef(i.indexrelid, n, false) ORDER BY n) FROM generate_series(1, i.indnkeyatts) AS n)) ORDER BY ic.relname), '[]')
      FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
      WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid)),
    'triggers', (SELECT coalesce(json_agg(json_build_object('name', g.tgname, 'sql', pg_get_triggerdef(g.oid)) ORDER BY g.tgname), '[]')
      FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
    ) ORDER BY c.relname), '[]')
    FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM here) AND c.relkind IN ('r', 'p') AND ${extended("pg_class", "c.oid")}),
  'enums', (SELECT coalesce(json_agg(json_build_object('name', t.typname,
      'values', (SELECT coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]') FROM pg_enum e WHERE e.enumtypid = t.oid)) ORDER BY t.typname), '[]')
    FROM pg_type t WHERE t.typnamespace = (SELECT oid FROM here) AND t.typtype = 'e' AND ${extended("pg_type", "t.oid")}),
  'views', (SELECT coalesce(json_agg(json_build_object('name', c.relname,
      'sql', 'CREATE ' || CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END || 'VIEW ' || quote_ident(c.relname) || ' AS ' || pg_get_viewdef(c.oid),
      'triggers', (SELECT coalesce(json_agg(json_build_object('name', g.tgname, 'sql', pg_get_triggerdef(g.oid)) ORDER BY g.tgname), '[]')
        FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)) ORDER BY c.relname), '[]')
    FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM here) AND c.relkind IN ('v', 'm') AND ${extended("pg_class", "c.oid")}),
  'sequences', (SELECT coalesce(json_agg(c.relname ORDER BY c.relname), '[]')
    FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM here) AND c.relkind = 'S' AND ${extended("pg_class", "c.oid")}
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))
)::text AS schema`

interface Raw {
  readonly name: string | null
  readonly tables: ReadonlyArray<RawTable>
  readonly enums: LiveSchema["enums"]
  readonly views: LiveSchema["views"]
  readonly sequences: ReadonlyArray<string>
}
interface RawTable extends Pick<LiveTable, "name" | "triggers"> {
  readonly comment: string | null
  readonly columns: ReadonlyArray<{
    readonly name: string
    readonly type: string
    readonly nullable: boolean
    readonly default: string | null
    readonly identity: "a" | "d" | ""
    readonly generated: "s" | "v" | ""
    readonly expression: string | null
    readonly collate: string | null
    readonly comment: string | null
  }>
  readonly constraints: ReadonlyArray<{
    readonly name: string
    readonly type: "p" | "u" | "f" | "c" | "x"
    readonly columns: ReadonlyArray<string>
    readonly table: string | null
    readonly targets: ReadonlyArray<string>
    readonly onDelete: string
    readonly onUpdate: string
    readonly deferrable: boolean
    readonly valid: boolean
    readonly definition: string
    readonly check: string | null
  }>
  readonly indexes: ReadonlyArray<{
    readonly name: string
    readonly unique: boolean
    readonly valid: boolean
    readonly using: string
    readonly where: string | null
    readonly sql: string
    readonly columns: ReadonlyArray<string>
  }>
}

/** @since 0.1.0 @category inspection */
export const inspect: Dialect["inspect"] = Effect.fnUntraced(function* (connection) {
  const reply = yield* connection.run({ text: query, params: [], prepare: false, rows: "objects" })
  const raw: Raw = JSON.parse(reply.rows[0]?.schema)
  const schema: LiveSchema = {
    name: raw.name ?? "",
    tables: raw.tables.map(table),
    enums: raw.enums,
    views: raw.views,
    sequences: raw.sequences
  }
  return schema
})

const actions: Readonly<Record<string, OnDelete>> = {
  a: "no action",
  r: "restrict",
  c: "cascade",
  n: "set null",
  d: "set default"
}

const table = (raw: RawTable): LiveTable => {
  const of = (type: string) => raw.constraints.filter((c) => c.type === type)
  const [key] = of("p")
  return {
    name: raw.name,
    columns: raw.columns.map(column),
    primaryKey: key === undefined ? undefined : { name: key.name, columns: key.columns },
    uniques: of("u").map((c) => ({ name: c.name, columns: c.columns })),
    foreignKeys: of("f").map((c) => ({
      name: c.name,
      columns: c.columns,
      table: unquoted(c.table ?? ""),
      targets: c.targets,
      onDelete: actions[c.onDelete] ?? "no action",
      onUpdate: actions[c.onUpdate] ?? "no action",
      deferrable: c.deferrable,
      valid: c.valid
    })),
    checks: of("c").map((c) => ({ name: c.name, sql: c.check ?? "", valid: c.valid })),
    exclusions: of("x").map((c) => ({ name: c.name, sql: c.definition })),
    indexes: raw.indexes.map(({ where, ...index }) => ({
      ...index,
      where: where ?? undefined,
      over: index.sql.slice(Math.max(0, index.sql.indexOf(` USING ${index.using} `)))
    })),
    triggers: raw.triggers,
    comment: raw.comment ?? undefined
  }
}

/** `regclass` prints a name as it would have to be written. */
const unquoted = (name: string): string =>
  /^"(?:[^"]|"")*"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name

const column = (raw: RawTable["columns"][number]): LiveColumn => ({
  name: raw.name,
  type: raw.type,
  nullable: raw.nullable,
  default: raw.default ?? undefined,
  identity: raw.identity === "a" ? "always" : raw.identity === "d" ? "by default" : undefined,
  computed: raw.generated === "" ? undefined : { sql: raw.expression ?? "", stored: raw.generated === "s" },
  collate: raw.collate ?? undefined,
  comment: raw.comment ?? undefined
})
