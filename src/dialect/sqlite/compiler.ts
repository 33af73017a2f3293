/**
 * Upstream's SQLite compiler. Objects need no wrapper here: a plain one is bound as JSON text, so `json` changes nothing.
 *
 * @since 0.1.0
 */
import * as Statement from "@effect/sql/Statement"

/** @since 0.1.0 @category constructors */
export const compiler = (options: {
  readonly names?: ((name: string) => string) | undefined
  readonly json?: boolean | undefined
}): Statement.Compiler => Statement.makeCompilerSqlite(options.names)
