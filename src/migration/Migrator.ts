/**
 * Brings a database to a revision and back. Each revision is committed on its own, together with its row in the ledger;
 * one runner at a time, the others wait and find everything done. Whether there is anything to do is decided from the
 * files' texts and one SELECT: nothing is imported, no lock is taken.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Layer from "effect/Layer"
import type { Options } from "./Desk.js"
import { up } from "./Move.js"
import type { Failure } from "./Task.js"

export { type Created, create, merge, type New } from "./Create.js"
export { ledgerTable, type Options } from "./Desk.js"
export { branches, graph, heads, type Place, show } from "./History.js"
export { fromDirectory, fromGlob, fromRecord, type Loader } from "./Loader.js"
export type { Waiting } from "./Lock.js"
export { down, type Report, to, up, type Way } from "./Move.js"
export { type Plan, type Planned, plan } from "./Plan.js"
export { type Program, programs, type Recording } from "./Programs.js"
export { type Repairs, repair } from "./Repair.js"
export type { Done } from "./Runner.js"
export { type Stamped, stamp } from "./Stamp.js"
export { current, history, type Line, type Standing, type Status, status } from "./Status.js"
export type { Direction, Event, Failure, Hooks, Subject } from "./Task.js"
export { type Verified, verify } from "./Verify.js"

/**
 * Applies what is pending while the layer is built, so that what is built on it finds the schema it needs. An older program
 * beside a newer database goes on with a warning.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<never, Failure, SqlClient.SqlClient> =>
  Layer.effectDiscard(up({ whenAhead: "warn", ...options }))
