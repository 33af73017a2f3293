/**
 * What the tables of a PostgreSQL schema stand on and no table makes: schemas, extensions, collations, domains and other types,
 * functions in defaults and checks, sequences. As the catalogue of dependencies knows it, and as statements for an empty database.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"

const member = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_depend x WHERE x.classid = '${catalog}'::regclass AND x.objid = ${oid} AND x.deptype = 'e')`

const type = `CASE
  WHEN t.typtype = 'd' THEN concat_ws(' ', 'CREATE DOMAIN', t.oid::regtype, 'AS', format_type(t.typbasetype, t.typtypmod),
    (SELECT 'COLLATE ' || k.oid::regcollation FROM pg_collation k WHERE k.oid = t.typcollation
      AND k.oid <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)),
    'DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN 'NOT NULL' END,
    (SELECT string_agg(format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), ' ' ORDER BY k.conname)
      FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
  WHEN t.typtype = 'e' THEN format('CREATE TYPE %s AS ENUM (%s)', t.oid::regtype,
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
  WHEN t.typtype = 'r' THEN format('CREATE TYPE %s AS RANGE (SUBTYPE = %s)', t.oid::regtype,
    (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid))
  ELSE format('CREATE TYPE %s AS (%s)', t.oid::regtype,
    (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) END`

/** The catalogue has other columns for the same things from release to release. @since 0.1.0 @category inspection */
export const collation = (
  k: string
): string => `(SELECT format('CREATE COLLATION %s (%s)', ${k}.oid::regcollation, concat_ws(', ',
  'provider = ' || CASE ${k}.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
  'locale = ' || quote_literal(coalesce(j ->> 'colllocale', j ->> 'colliculocale')),
  'lc_collate = ' || quote_literal(${k}.collcollate), 'lc_ctype = ' || quote_literal(${k}.collctype),
  'rules = ' || quote_literal(j ->> 'collicurules'), CASE WHEN j ->> 'collisdeterministic' = 'false' THEN 'deterministic = false' END))
  FROM to_jsonb(${k}) AS j)`

/** Tables make the types of their rows, and `inspect` knows the enums of this schema. */
const isOwnType = `t.typtype IN ('d', 'r') OR (t.typtype = 'e' AND t.typnamespace <> current_schema()::regnamespace)
  OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')`

const query = `WITH RECURSIVE tables AS (
  SELECT c.oid FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT ${member("pg_class", "c.oid")}),
needed AS (
  SELECT d.refclassid, d.refobjid FROM pg_depend d WHERE
    (d.classid = 'pg_class'::regclass AND (d.objid IN (SELECT oid FROM tables) OR d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM tables))))
    OR (d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM tables)))
    OR (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM pg_constraint WHERE conrelid IN (SELECT oid FROM tables)))
  UNION
  SELECT d.refclassid, d.refobjid FROM needed n
    LEFT JOIN pg_constraint k ON n.refclassid = 'pg_type'::regclass AND k.contypid = n.refobjid
    JOIN pg_depend d ON (d.classid = n.refclassid AND d.objid = n.refobjid) OR (d.classid = 'pg_constraint'::regclass AND d.objid = k.oid)
  WHERE NOT (n.refclassid = 'pg_class'::regclass AND n.refobjid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')))),
made AS (
  SELECT 0 AS rank, s.oid, format('CREATE SCHEMA IF NOT EXISTS %I', s.nspname) AS sql
    FROM pg_namespace s WHERE s.oid >= 16384 AND s.nspname <> 'public' AND (s.oid = current_schema()::regnamespace OR ('pg_namespace'::regclass, s.oid) IN (SELECT * FROM needed))
  UNION ALL SELECT 1, e.oid, format('CREATE EXTENSION IF NOT EXISTS %I', e.extname) ||
      CASE WHEN s.nspname = 'public' OR NOT e.extrelocatable THEN '' ELSE format(' SCHEMA %I', s.nspname) END || ' CASCADE'
    FROM pg_extension e JOIN pg_namespace s ON s.oid = e.extnamespace
    WHERE e.oid >= 16384 AND ('pg_extension'::regclass, e.oid) IN (SELECT * FROM needed)
  UNION ALL SELECT 2, k.oid, ${collation("k")}
    FROM pg_collation k WHERE k.oid >= 16384 AND ('pg_collation'::regclass, k.oid) IN (SELECT * FROM needed) AND NOT ${member("pg_collation", "k.oid")}
  UNION ALL SELECT 2, t.oid, ${type}
    FROM pg_type t WHERE t.oid >= 16384 AND (${isOwnType}) AND ('pg_type'::regclass, t.oid) IN (SELECT * FROM needed) AND NOT ${member("pg_type", "t.oid")}
  UNION ALL SELECT 2, p.oid, rtrim(pg_get_functiondef(p.oid))
    FROM pg_proc p WHERE p.oid >= 16384 AND p.prokind <> 'a' AND ('pg_proc'::regclass, p.oid) IN (SELECT * FROM needed) AND NOT ${member("pg_proc", "p.oid")}
  UNION ALL SELECT 2, c.oid, 'CREATE SEQUENCE ' || c.oid::regclass
    FROM pg_class c WHERE c.relkind = 'S' AND ('pg_class'::regclass, c.oid) IN (SELECT * FROM needed) AND NOT ${member("pg_class", "c.oid")}
)
SELECT sql FROM made ORDER BY rank, oid`

/** @since 0.1.0 @category inspection */
export const requires: NonNullable<Dialect["requires"]> = (connection) =>
  Effect.map(connection.run({ text: query, params: [], prepare: false, rows: "objects" }), ({ rows }) =>
    rows.map(({ sql }) => String(sql).trim())
  )
