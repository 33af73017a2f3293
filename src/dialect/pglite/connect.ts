/**
 * The session of a PGlite database: PostgreSQL's, over a wire inside this process. The only file that loads the package, which
 * is optional. COPY FROM STDIN is refused before it is sent, because it ends the program; nothing is cancelled (the program
 * runs in this very thread, so nobody could ask), and streams are read whole.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Dialect, DriverConnection, Row } from "../../Dialect.js"
import { ConnectionError, type DatabaseError, UnsupportedError } from "../../model/DatabaseError.js"
import { openClient } from "../postgres/connectClient.js"
import { give, type Slot } from "../postgres/hosts.js"
import { wordsOf } from "../postgres/kind.js"
import { copyRefused } from "../postgres/request.js"
import { millis } from "../postgres/startup.js"
import { type Engine, isMemory, type Program } from "./engine.js"
import { Wire } from "./wire.js"

/** Rows of one chunk of a stream. */
const chunkRows = 1_000

/** A program whose data can be had as one piece. @since 0.1.0 @category models */
export interface Copyable extends Program {
  readonly dumpDataDir: (compression: "none") => Promise<Blob>
}

/** Starts the package's own program; `image`: with what another one's `dumpDataDir` gave. @since 0.1.0 @category constructors */
export const startPackage = (folder: string, image?: Blob): Effect.Effect<Copyable, DatabaseError> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import("@electric-sql/pglite"),
      catch: (cause) =>
        new UnsupportedError({
          operation: "connect",
          reason: "pglite: databases need a package that is not installed",
          hint: "npm install @electric-sql/pglite",
          cause
        })
    }),
    ({ PGlite }) =>
      Effect.tryPromise({
        try: () =>
          PGlite.create(isMemory(folder) ? "memory://" : folder, image === undefined ? {} : { loadDataDir: image }),
        catch: (cause) =>
          new ConnectionError({
            operation: "connect",
            reason: `PGlite does not start${isMemory(folder) ? "" : ` on the folder ${folder}`}: ${cause instanceof Error ? cause.message : String(cause)}`,
            hint: "Is the folder's parent there, may it be written, is its data of this version?",
            cause,
            phase: "connect",
            sent: false
          })
      })
  )

/** @since 0.1.0 @category dialect */
export const connect =
  (engine: Engine): Dialect["connect"] =>
  (config, role): Effect.Effect<DriverConnection, DatabaseError, Scope.Scope> =>
    Effect.gen(function* () {
      const slot: Slot = {}
      yield* Effect.acquireRelease(engine.occupy, () =>
        Effect.ensuring(
          give(slot),
          Effect.sync(() => engine.leave())
        )
      )
      const program = yield* engine.get
      const patience = millis(config.connectTimeout) || 10_000
      const { session } = yield* openClient(
        {
          options: {
            stream: () => new Wire(program, (cause) => engine.break(cause)),
            user: "postgres",
            database: "postgres",
            password: ""
          },
          startup: () => ({
            user: "postgres",
            database: "postgres",
            application_name: config.applicationName,
            ...(role === "reader" ? { default_transaction_read_only: "on" } : {})
          }),
          overdue: undefined,
          session: () => ({
            cancelTarget: () => undefined,
            patience,
            discard: true,
            settings: [],
            local: [],
            listen: true
          })
        },
        slot
      ).pipe(
        Effect.timeoutFail({
          duration: config.connectTimeout,
          onTimeout: () =>
            new ConnectionError({
              operation: "connect",
              reason: `PGlite did not open a session within ${Duration.format(config.connectTimeout)}`,
              phase: "connect",
              sent: false
            })
        })
      )
      return adapted(session)
    })

/** The same session with what is different here. */
const adapted = (session: DriverConnection): DriverConnection => {
  const guarded = <A>(text: string, operation: string, effect: Effect.Effect<A, DatabaseError>) =>
    Effect.suspend(() => (takesRows(text) ? Effect.fail(copyRefused(operation)) : effect))
  const run: DriverConnection["run"] = (request) => guarded(request.text, "execute", session.run(request))
  return {
    ...session,
    run,
    script: (text) => guarded(text, "execute", session.script(text)),
    stream: (request) => Stream.unwrap(Effect.map(run(request), ({ rows }) => Stream.fromIterable(chunks(rows)))),
    reset: Effect.gen(function* () {
      if (session.status() !== "idle") yield* session.script("ROLLBACK")
      // LISTEN shares the session with everybody: what somebody else listens to is not the last borrower's to discard.
      const channels = yield* session.run({
        text: "SELECT pg_listening_channels()",
        params: [],
        prepare: false,
        rows: "arrays"
      })
      yield* session.reset
      for (const [channel] of channels.rows) {
        yield* session.script(`LISTEN "${String(channel).replaceAll('"', '""')}"`)
      }
    }),
    copy: Option.map(session.copy, ({ out }) => ({ out, into: () => Effect.fail(copyRefused("copy")) }))
  }
}

/** Whether the server would ask for rows. */
const takesRows = (text: string): boolean => /copy/i.test(text) && /\bcopy\b[^;]*\bfrom\s+stdin\b/.test(wordsOf(text))

const chunks = function* (rows: ReadonlyArray<Row>): Iterable<ReadonlyArray<Row>> {
  for (let from = 0; from < rows.length; from += chunkRows) yield rows.slice(from, from + chunkRows)
}
