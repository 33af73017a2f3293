/**
 * Declared tables beside a live database: what is there, how the two differ, and the changes that lead from one to the
 * other. Texts are compared only as the database itself prints them.
 *
 * @since 0.1.0
 */
export { type Dangling, type DatabaseSchema, make, type Options, type Tables } from "./Declared.js"
export { diagram, type Format as DiagramFormat } from "./Diagram.js"
export { diff, inspect, type Options as DiffOptions } from "./Diff.js"
export { type Ensured, ensure, type Report } from "./Ensure.js"
export { check, type Planned, plan, toSql } from "./Plan.js"
export { pull } from "./Pull.js"
export { SchemaError } from "./SchemaError.js"
