/**
 * What tests put in a database's place.
 *
 * @since 0.1.0
 */
export * as DatabaseTest from "./DatabaseTest.js"
export * as Faults from "./Faults.js"
export * as ScriptedConnection from "./ScriptedConnection.js"
