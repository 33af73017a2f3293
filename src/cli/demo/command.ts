/**
 * `aquifer demo`: shows on the database at hand (or a SQLite file of its own) that all of it works together.
 *
 * @since 0.1.0
 */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { type Run, show } from "../Command.js"
import { folders } from "../migrate/source.js"
import { onDatabase } from "../onDatabase.js"
import * as Target from "../Target.js"
import { Terminal } from "../Terminal.js"
import { render } from "./report.js"
import { run } from "./run.js"

/** The package's own migrations, in a clone as in an installation. */
const migrations = fileURLToPath(new URL("../../../migrations", import.meta.url))

/** @since 0.1.0 @category commands */
export const demo: Run = (options) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const config = yield* Target.resolve(options, Target.embedded)
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
