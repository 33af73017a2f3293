/**
 * Changing anything: under the lock, on a session of one's own, and on a server that takes writes.
 *
 * @since 0.1.0
 */
import * as os from "node:os"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DriverConnection } from "../Dialect.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { type ConnectionError, find } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"
import * as Adopt from "./Adopt.js"
import { admitted, type Desk, patience } from "./Desk.js"
import * as Ledger from "./Ledger.js"
import * as Lock from "./Lock.js"
import { atomically, type Failure, type Run, silent } from "./Task.js"

/** Applied by whom: enough for a person to find the process. */
const signature = (config: DatabaseConfig): string =>
  `${config.applicationName} on ${os.hostname()}, process ${process.pid}`

/** What is done with the lock, and the ledger's rows. */
type Use<A> = (run: Run, entries: ReadonlyArray<Ledger.Entry>) => Effect.Effect<A, Failure, Scope.Scope>

/** The server behind the session takes no writes any more, and another one may. */
class Moved extends Data.TaggedError("Moved")<{ readonly why: ConnectionError }> {}

/**
 * The lock, the ledger, and a session of one's own for as long as it takes. Where the server turns out to be no primary any
 * more, it is begun anew on another session, once; but not when revisions were done on the old one, because how far to go may
 * have been counted from there: that is a failure.
 *
 * @since 0.1.0
 * @category running
 */
export const underLock = <A>(desk: Desk, adopts: string | undefined, use: Use<A>): Effect.Effect<A, Failure> =>
  Effect.scoped(onPrimary(desk, adopts, use)).pipe(
    Effect.retry({ times: 1, while: (error) => error._tag === "Moved" }),
    Effect.catchTag("Moved", ({ why }) => Effect.fail(why))
  )

const onPrimary = <A>(desk: Desk, adopts: string | undefined, use: Use<A>) =>
  Effect.gen(function* () {
    const { connections, options } = desk
    const own = yield* admitted(desk, connections.own)
    let done = 0
    const tell: Run["tell"] = (event) => {
      if (event._tag === "done") done++
      return (options.onEvent ?? silent)(event)
    }
    return yield* Effect.catchAll(held(desk, own, tell, adopts, use), (error) =>
      Effect.flatMap(
        connections.moved(own, find(error)),
        (why): Effect.Effect<never, Failure | Moved> =>
          why === undefined ? Effect.fail(error) : Effect.fail(done === 0 ? new Moved({ why }) : cutShort(error, why))
      )
    )
  })

const cutShort = (error: Failure, why: ConnectionError): MigrationError =>
  new MigrationError({
    reason: "failed",
    problem: why.reason,
    remedy: "Run again: it begins on the primary, with what the ledger there lacks",
    ...(error._tag === "MigrationError" ? { revision: error.revision, file: error.file } : {}),
    cause: why
  })

const held = <A>(desk: Desk, own: DriverConnection, tell: Run["tell"], adopts: string | undefined, use: Use<A>) =>
  Effect.gen(function* () {
    const { client, connections, graph, ledger, options } = desk
    const { config, dialect } = connections
    const lock = yield* Lock.hold(dialect, own, Ledger.lockName(ledger.place), patience(desk))
    yield* ledger.create(own)
    const appliedBy = signature(config)
    const { hooks = {}, onEvent } = options
    const run: Run = { client, connections, own, lock, ledger, appliedBy, hooks, tell, heard: onEvent !== undefined }
    const entries = yield* ledger.read(own)
    if (adopts === undefined || entries.length > 0) return yield* use(run, entries)
    const taken = yield* Adopt.adopted(own, adopts, graph, run.appliedBy)
    yield* atomically(
      run,
      Effect.forEach(taken, (entry) => ledger.insert(own, entry), { discard: true })
    )
    yield* Effect.logInfo(`${taken.length} revisions were taken over from ${adopts}`)
    return yield* use(run, taken)
  })
