/**
 * Indexes built without a transaction: what the catalogue says of one whose statement was cut short.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { IndexName, Resumption } from "../../Dialect.js"
import { identifier, literal } from "./ddl.js"

/** Looked up as the statement would: in its schema, or along the search path. */
const regclass = ({ name, schema }: IndexName): string =>
  literal(schema === undefined ? identifier(name) : `${identifier(schema)}.${identifier(name)}`)

/** @since 0.1.0 @category dialect */
export const resumption: Resumption = {
  index: (own, index) =>
    Effect.map(
      own.run({
        text: `SELECT i.indisvalid AND i.indisready AND i.indislive AS valid FROM pg_catalog.pg_index i WHERE i.indexrelid = pg_catalog.to_regclass(${regclass(index)})`,
        params: [],
        prepare: false,
        rows: "objects"
      }),
      ({ rows }) => (rows[0] === undefined ? "absent" : rows[0].valid === true ? "valid" : "invalid")
    ),
  dropIndex: ({ name, schema }) =>
    `DROP INDEX CONCURRENTLY IF EXISTS ${schema === undefined ? "" : `${identifier(schema)}.`}${identifier(name)}`
}
