/**
 * What a database holds that a `LiveSchema` has no word for: schemas and what is in those that are not the first of the search
 * path, functions, domains, rights, policies, comments … Nothing can be made of it, but two states can be told apart by it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import { collation } from "./requires.js"

/** Members of extensions come and go with those. */
const own = (catalog: string, alias: string): string =>
  `${alias}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '${catalog}'::regclass AND x.objid = ${alias}.oid AND x.deptype = 'e')`

const sorted = (text: string): string => `string_agg(${text}, ', ' ORDER BY ${text})`

/** A relation of another schema, with all that hangs on it. */
const relation = `concat_ws('; ',
  (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
      pg_get_expr(d.adbin, d.adrelid), a.attidentity::text || a.attgenerated::text), ', ' ORDER BY a.attnum)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT ${sorted("k.conname || ' ' || pg_get_constraintdef(k.oid)")} FROM pg_constraint k WHERE k.conrelid = c.oid),
  (SELECT ${sorted("pg_get_indexdef(i.indexrelid)")} FROM pg_index i WHERE i.indrelid = c.oid),
  (SELECT ${sorted("pg_get_triggerdef(t.oid)")} FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)`

/** A column's counter counts in the column's type. */
const owned = `EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))`

/** Of a relation in the first schema: what is seldom said. Empty where nothing is. */
const seldom = `concat_ws('; ',
  CASE WHEN c.relpersistence = 'u' THEN 'UNLOGGED' END, c.reloptions::text,
  CASE WHEN c.relrowsecurity THEN 'ROW LEVEL SECURITY' END, CASE WHEN c.relforcerowsecurity THEN 'FORCED' END,
  CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END, pg_get_expr(c.relpartbound, c.oid),
  CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.relreplident <> 'd' THEN 'REPLICA IDENTITY ' || c.relreplident::text END,
  (SELECT 'INHERITS ' || ${sorted("h.inhparent::regclass::text")} FROM pg_inherits h WHERE h.inhrelid = c.oid AND c.relkind IN ('r', 'p')),
  (SELECT 'triggers ' || ${sorted("t.tgname || ' ' || t.tgenabled::text")} FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'O'),
  (SELECT ${sorted("k.conname || ' ' || pg_get_constraintdef(k.oid)")} FROM pg_constraint k
    WHERE k.conrelid = c.oid AND (k.confmatchtype = 'f' OR (k.condeferrable AND NOT k.condeferred) OR (k.contype IN ('c', 'n') AND (k.connoinherit OR NOT k.convalidated))
      OR (k.contype IN ('p', 'u', 'f') AND pg_get_constraintdef(k.oid) ~ 'NULLS NOT DISTINCT|[)] INCLUDE|WITHOUT OVERLAPS|PERIOD|SET (NULL|DEFAULT) [(]|NOT ENFORCED'))),
  (SELECT ${sorted("concat_ws(' ', q.seqtypid::regtype, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle)")} FROM pg_sequence q
    WHERE q.seqrelid = c.oid AND (CASE WHEN ${owned} THEN 'bigint'::regtype ELSE q.seqtypid END, q.seqstart, q.seqincrement, q.seqmin, q.seqcache, q.seqcycle)
      IS DISTINCT FROM ('bigint'::regtype, 1, 1, 1, 1, false)))`

const query = `WITH mine AS (SELECT * FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
others AS (
  SELECT 'schema ' || n.nspname AS name, '' AS sql FROM mine n WHERE ${own("pg_namespace", "n")}
  UNION ALL SELECT 'extension ' || extname, extversion FROM pg_extension WHERE oid >= 16384
  UNION ALL SELECT 'function ' || p.oid::regprocedure, CASE WHEN p.prokind = 'a' THEN '' ELSE pg_get_functiondef(p.oid) END
    FROM pg_proc p WHERE ${own("pg_proc", "p")}
  UNION ALL SELECT 'collation ' || k.oid::regcollation, ${collation("k")} FROM pg_collation k WHERE ${own("pg_collation", "k")}
  UNION ALL SELECT pg_describe_object('pg_class'::regclass, c.oid, 0), ${relation}
    FROM pg_class c JOIN mine n ON n.oid = c.relnamespace
    WHERE n.nspname <> current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND ${own("pg_class", "c")}
  UNION ALL SELECT name, sql FROM (
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) || ', besides' AS name, ${seldom} AS sql
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND ${own("pg_class", "c")}) s WHERE sql <> ''
  UNION ALL SELECT 'foreign table ' || c.relname, ${relation}
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'f' AND ${own("pg_class", "c")}
  UNION ALL SELECT 'type ' || t.oid::regtype, concat_ws('; ', t.typtype,
      CASE WHEN t.typbasetype <> 0 THEN format_type(t.typbasetype, t.typtypmod) END, CASE WHEN t.typnotnull THEN 'NOT NULL' END, t.typdefault,
      (SELECT ${sorted("k.conname || ' ' || pg_get_constraintdef(k.oid)")} FROM pg_constraint k WHERE k.contypid = t.oid),
      (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
      (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM pg_type t JOIN mine n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('d', 'r') OR c.relkind = 'c' OR (t.typtype = 'e' AND n.nspname <> current_schema())) AND ${own("pg_type", "t")}
  UNION ALL SELECT 'policy ' || p.polname || ' on ' || p.polrelid::regclass,
      concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p
  UNION ALL SELECT pg_describe_object('pg_rewrite'::regclass, r.oid, 0), pg_get_ruledef(r.oid)
    FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND ${own("pg_rewrite", "r")}
  UNION ALL SELECT pg_describe_object('pg_statistic_ext'::regclass, s.oid, 0), pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s
  UNION ALL SELECT pg_describe_object('pg_publication'::regclass, p.oid, 0), '' FROM pg_publication p
  UNION ALL SELECT pg_describe_object('pg_event_trigger'::regclass, e.oid, 0), e.evtenabled::text FROM pg_event_trigger e
  UNION ALL SELECT pg_describe_object('pg_operator'::regclass, o.oid, 0), '' FROM pg_operator o WHERE ${own("pg_operator", "o")}
  UNION ALL SELECT pg_describe_object('pg_cast'::regclass, k.oid, 0), '' FROM pg_cast k WHERE ${own("pg_cast", "k")}
  UNION ALL SELECT 'comment on ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
    FROM pg_description d LEFT JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
    WHERE d.objoid >= 16384 AND (c.oid IS NULL OR c.relkind NOT IN ('r', 'p') OR c.relnamespace <> current_schema()::regnamespace)
  UNION ALL SELECT 'rights on ' || pg_describe_object(classid, objid, objsubid), (SELECT ${sorted("one::text")} FROM unnest(acl) AS one) FROM (
    SELECT 'pg_class'::regclass::oid AS classid, c.oid AS objid, 0 AS objsubid, c.relacl AS acl,
        acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual FROM pg_class c WHERE ${own("pg_class", "c")}
    UNION ALL SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attacl, '{}' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE ${own("pg_class", "c")}
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, 0, p.proacl, acldefault('f', p.proowner) FROM pg_proc p WHERE ${own("pg_proc", "p")}
    UNION ALL SELECT 'pg_type'::regclass, t.oid, 0, t.typacl, acldefault('T', t.typowner) FROM pg_type t WHERE ${own("pg_type", "t")}
    UNION ALL SELECT 'pg_namespace'::regclass, n.oid, 0, n.nspacl, acldefault('n', n.nspowner) FROM mine n
    UNION ALL SELECT 'pg_default_acl'::regclass, a.oid, 0, a.defaclacl, '{}' FROM pg_default_acl a
  ) r WHERE NOT (acl <@ usual AND acl @> usual)
)
SELECT name, regexp_replace(sql, '\\s+', ' ', 'g') AS sql FROM others ORDER BY name`

/** @since 0.1.0 @category inspection */
export const others: NonNullable<Dialect["others"]> = (connection) =>
  Effect.map(connection.run({ text: query, params: [], prepare: false, rows: "objects" }), ({ rows }) => rows)
