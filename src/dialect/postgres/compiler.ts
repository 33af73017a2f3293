/**
 * Upstream's statement compiler, so that templates, helpers and custom fragments compile to the very same text here.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type { Dialect } from "../../Dialect.js"

/** @since 0.1.0 @category dialect */
export const compiler: Dialect["compiler"] = (options) => PgClient.makeCompiler(options.names, options.json)
