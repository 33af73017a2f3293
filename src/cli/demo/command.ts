/**
 * `aquifer demo`: shows on the database at hand (or a SQLite file of its own) that all of it works together. It asks before it
 * puts its tables beside those of somebody else.
 *
 * @since 0.1.0
 */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { Dialect } from "../../Dialect.js"
import { DatabaseConfig, describeTarget } from "../../model/DatabaseConfig.js"
import * as DatabaseSchema from "../../schema/DatabaseSchema.js"
import { confirmed, type Run, show } from "../Command.js"
import { plural } from "../layout.js"
import { folders } from "../migrate/source.js"
import { onDatabase } from "../onDatabase.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import * as Accounts from "./accounts.js"
import { render } from "./report.js"
import { run } from "./run.js"

/** The package's own migrations, in a clone as in an installation. */
const migrations = fileURLToPath(new URL("../../../migrations", import.meta.url))

/** How many tables somebody else has in a database where no demo has run yet. */
const strangers = Effect.gen(function* () {
  const { unmade } = yield* Dialect
  if (unmade !== undefined && (yield* unmade(yield* DatabaseConfig))) return 0
  const { tables } = yield* DatabaseSchema.inspect
  return tables.some(({ name }) => name === Accounts.name) ? 0 : tables.length
})

/** @since 0.1.0 @category commands */
export const demo: Run = (options) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const config = yield* Target.resolve(options, Target.embedded)
    const others = yield* onDatabase(config, strangers)
    if (others > 0) {
      const there = `${describeTarget(config)}, which has ${plural(others, "table", "tables")} of others`
      yield* confirmed(options, `this puts the demo's tables and rows into ${there}`)
    }
    const work = run({
      migrations: options.migrations.length === 0 ? migrations : folders(options),
      transfers: 400,
      fibers: 16,
      progress: terminal.progress,
      bar: terminal.bar
    })
    const report = yield* Effect.ensuring(onDatabase(config, work), terminal.progress(""))
    yield* show(options, report, (report, style) => [render(report, style)])
    return report.ok ? 0 : 1
  })
