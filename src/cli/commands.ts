/**
 * The commands there are.
 *
 * @since 0.1.0
 */
import type { Command } from "./Command.js"
import { connections } from "./connections.js"
import * as Db from "./db.js"
import { demo } from "./demo/command.js"
import { doctor } from "./doctor.js"
import { health } from "./health.js"
import { init } from "./init.js"
import { check } from "./migrate/check.js"
import * as Examine from "./migrate/examine.js"
import * as Graph from "./migrate/graph.js"
import { lint } from "./migrate/lint.js"
import * as Look from "./migrate/look.js"
import * as Run from "./migrate/run.js"
import * as Settle from "./migrate/settle.js"
import * as Write from "./migrate/write.js"

/** What the first words of commands with two words stand for. @since 0.1.0 @category commands */
export const groups: Readonly<Record<string, string>> = {
  migrate: "bring the database to a revision and look at its history",
  db: "make or remove the database itself"
}

/** In the order of the help. @since 0.1.0 @category commands */
export const commands: ReadonlyArray<Command> = [
  init,
  Run.up,
  Run.down,
  Run.to,
  Look.status,
  Look.current,
  Look.history,
  Graph.heads,
  Graph.branches,
  Write.merge,
  Settle.stamp,
  Write.create,
  Graph.show,

  check,
  Examine.plan,
  Examine.verify,
  lint,
  Settle.repair,
  Db.create,
  Db.drop,
  Db.reset,
  health,
  connections,
  doctor,
  demo
]
