/**
 * The application's own tables, for programs that begin with them.
 *
 * @since 0.1.0
 */

/** Their shapes. @since 0.1.0 */
export * as AppSchema from "./AppSchema.js"
