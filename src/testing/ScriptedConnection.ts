/**
 * Connections to a `ScriptedServer`, and a `SqlClient` on them: every path of a transaction, a lost COMMIT included, runs
 * in a unit test without a server. Answers come a turn of the event loop later, as they would from a socket; an abandoned
 * statement goes on, as it would on a server.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Client from "../client/Client.js"
import * as Connections from "../connection/Connections.js"
import type { Dialect, DriverConnection, Fate, Reply, Request } from "../Dialect.js"
import type { DatabaseConfig, PoolSettings } from "../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, from, QueryCanceled, UnsupportedError } from "../model/DatabaseError.js"
import * as RetryPolicy from "../model/RetryPolicy.js"
import { type Backend, type Hold, ScriptedServer } from "./ScriptedServer.js"

/** How long a cancel waits for a statement that does not hear it. */
const cancelLimit = Duration.seconds(2)

interface Sent {
  readonly texts: ReadonlyArray<string>
  readonly begins: boolean
  readonly askId: boolean
}

interface Answered {
  readonly replies: ReadonlyArray<{ readonly tag: string; readonly rows: ReadonlyArray<unknown> }>
  readonly transactionId: string | undefined
}

class Session {
  private readonly backend: Backend
  private readonly lostGate = Effect.runSync(Deferred.make<DatabaseError>())
  private readonly calls = new Set<(exit: Exit.Exit<Answered, DatabaseError>) => void>()
  private quiet: Array<() => void> = []
  private held: { readonly hold: Hold; readonly stop: () => void } | undefined
  private beginning = 0
  private broken = false
  private view: "idle" | "open" | "failed" = "idle"

  constructor(
    private readonly server: ScriptedServer,
    private readonly closed: { value: boolean }
  ) {
    this.backend = server.connect()
  }

  send(sent: Sent): Effect.Effect<Answered, DatabaseError> {
    return Effect.async((resume) => {
      if (this.broken) return resume(Effect.fail(this.loss(sent, false)))
      const refusal = this.server.refusal(sent.texts)
      if (refusal !== undefined) return resume(Effect.fail(refusal))
      this.server.record(this.backend.session, "send", sent.texts)
      if (sent.begins) this.beginning++
      const answer = (exit: Exit.Exit<Answered, DatabaseError>) => {
        if (!this.calls.delete(answer)) return
        if (sent.begins) this.beginning--
        this.view = this.backend.status
        resume(exit)
        if (this.calls.size === 0) for (const waiter of this.quiet.splice(0)) waiter()
      }
      this.calls.add(answer)
      Effect.runFork(
        Effect.flatMap(Effect.exit(this.serve(sent)), (exit) => Effect.sync(() => setImmediate(() => answer(exit))))
      )
    })
  }

  private loss(sent: Sent, reached: boolean): DatabaseError {
    const commit = sent.texts.at(-1) === "COMMIT"
    return new ConnectionError({
      operation: commit ? "commit" : "execute",
      reason: "the connection was lost",
      phase: commit ? "commit" : "statement",
      sent: reached
    })
  }

  /** One message: what comes behind a failure is skipped. */
  private serve(sent: Sent): Effect.Effect<Answered, DatabaseError> {
    const { backend, server } = this
    const replies: Array<{ readonly tag: string; readonly rows: ReadonlyArray<unknown> }> = []
    const one = (text: string): Effect.Effect<void, DatabaseError> =>
      Effect.suspend(() => {
        const scripted = server.take(text)
        switch (scripted?._tag) {
          case undefined:
          case "rows":
            return Effect.map(server.execute(backend, text), (reply) => {
              replies.push(scripted === undefined ? reply : { ...reply, rows: scripted.rows })
            })
          case "fail":
            // Like every statement that fails to end a transaction, a failing COMMIT ends it all the same.
            if (text === "COMMIT") server.gone(backend)
            return Effect.fail(scripted.error)
          case "refuse":
            return Effect.fail(scripted.error)
          case "die":
            return Effect.die(scripted.defect)
          case "hold":
            return Effect.zipRight(this.wait(scripted.hold), one(text))
          case "lose": {
            if (scripted.loss === "unanswered") server.execute(backend, text)
            this.lose(this.loss(sent, scripted.loss !== "unsent"))
            return Effect.never
          }
        }
      })
    return Effect.forEach(sent.texts, one, { discard: true }).pipe(
      Effect.map(() => ({ replies, transactionId: sent.askId ? backend.transactionId : undefined })),
      Effect.tapErrorCause(() =>
        Effect.sync(() => {
          if (backend.status === "open") backend.status = "failed"
        })
      )
    )
  }

  private wait(hold: Hold): Effect.Effect<void, DatabaseError> {
    const cancelled = Effect.async<never, DatabaseError>((resume) => {
      const stop = () =>
        resume(
          Effect.fail(
            new QueryCanceled({
              operation: "execute",
              reason: "canceling statement due to user request",
              sqlState: "57014"
            })
          )
        )
      this.held = { hold, stop }
    })
    return Deferred.succeed(hold.gates.arrived, undefined).pipe(
      Effect.zipRight(Effect.raceFirst(Deferred.await(hold.gates.released), cancelled)),
      Effect.ensuring(
        Effect.sync(() => {
          this.held = undefined
        })
      )
    )
  }

  lose(reason: DatabaseError): void {
    if (this.broken) return
    this.server.record(this.backend.session, "lost")
    this.end(reason)
    Deferred.unsafeDone(this.lostGate, Effect.succeed(reason))
  }

  private end(reason: DatabaseError): void {
    this.broken = true
    this.server.gone(this.backend)
    for (const call of [...this.calls]) call(Exit.fail(reason))
  }

  readonly cancel: Effect.Effect<void> = Effect.suspend(() => {
    if (this.calls.size === 0) return Effect.void
    this.server.record(this.backend.session, "cancel")
    const held = this.held
    if (held?.hold.cancel === "unheard") {
      return Effect.flatMap(Effect.sleep(cancelLimit), () => Effect.sync(() => this.lose(this.loss(nothing, true))))
    }
    if (held?.hold.cancel === "late") Deferred.unsafeDone(held.hold.gates.released, Effect.void)
    else held?.stop()
    return Effect.async<void>((resume) => {
      this.quiet.push(() => resume(Effect.void))
    })
  }).pipe(Effect.uninterruptible)

  private readonly destroy = Effect.sync(() => {
    if (this.closed.value) return
    this.closed.value = true
    this.server.record(this.backend.session, "destroy")
    if (!this.broken) this.end(this.loss(nothing, true))
  })

  private group(request: Request): Sent {
    const begins = request.begin !== undefined
    return {
      texts: request.begin === undefined ? [request.text] : [request.begin, request.text],
      begins,
      askId: request.askId === true
    }
  }

  readonly connection: DriverConnection = {
    run: (request) =>
      Effect.map(this.send(this.group(request)), ({ replies, transactionId }) => ({
        ...reply(replies.at(-1)),
        transactionId
      })),
    batch: (requests) => {
      const begin = requests[0]?.begin
      const texts = requests.map(({ text }) => text)
      const askId = requests.at(-1)?.askId === true
      const sent = { texts: begin === undefined ? texts : [begin, ...texts], begins: begin !== undefined, askId }
      return Effect.map(this.send(sent), ({ replies, transactionId }) =>
        replies.slice(-requests.length).map((answered) => ({ ...reply(answered), transactionId }))
      )
    },
    script: (text) => {
      const texts = text.split(/;\s*/).filter((part) => part !== "")
      return Effect.map(
        this.send({ texts, begins: texts[0]?.startsWith("BEGIN") ?? false, askId: false }),
        (answered) => answered.replies.map(reply)
      )
    },
    /** Each row is fetched on its own. */
    stream: (request) =>
      Stream.unwrap(
        Effect.map(this.send(this.group(request)), ({ replies }) =>
          Stream.mapEffect(Stream.fromIterable(replies.at(-1)?.rows ?? []), (row) =>
            Effect.sync(() => {
              this.server.record(this.backend.session, "fetch", [request.text])
              return [row]
            })
          )
        )
      ),
    cancel: this.cancel,
    status: () => (this.broken ? "broken" : this.view === "idle" && this.beginning > 0 ? "open" : this.view),
    pending: () => this.calls.size,
    busySince: () => 0,
    lost: Deferred.await(this.lostGate),
    ping: Effect.suspend(() => {
      this.server.record(this.backend.session, "ping")
      return this.broken ? Effect.fail(this.loss(nothing, false)) : Effect.void
    }),
    reset: Effect.suspend(() => {
      this.server.record(this.backend.session, "reset")
      return this.broken ? Effect.fail(this.loss(nothing, false)) : Effect.asVoid(this.send(rollback))
    }),
    destroy: this.destroy,
    notifications: Option.none(),
    copy: Option.none()
  }
}

const nothing: Sent = { texts: [], begins: false, askId: false }
const rollback: Sent = { texts: ["ROLLBACK"], begins: false, askId: false }

const reply = (answered: Answered["replies"][number] | undefined): Reply => ({
  rows: answered?.rows ?? [],
  tag: answered?.tag ?? "",
  count: answered?.rows.length ?? null,
  raw: { command: answered?.tag, rows: answered?.rows }
})

/**
 * The product whose sessions are the server's. `differs` replaces what a test wants otherwise: another `sessions`, no `fate`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dialect = (server: ScriptedServer, differs: Partial<Dialect> = {}): Dialect => ({
  name: "postgresql",
  connect: () =>
    Effect.suspend(() => {
      const scripted = server.take("CONNECT")
      if (scripted?._tag === "fail") return Effect.fail(scripted.error)
      return Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => new Session(server, { value: false })),
          (session) => session.connection.destroy
        ),
        (session) => session.connection
      )
    }),
  classify: from,
  compiler: (options) => Statement.makeCompilerSqlite(options.names),
  placeholder: () => "?",
  encode: (value) => value,
  kind: (text) => (/^\s*select\b/i.test(text) ? "read" : "write"),
  transaction: {
    begin: (mode) =>
      ["BEGIN", mode.isolation && `ISOLATION LEVEL ${mode.isolation.toUpperCase()}`, mode.access?.toUpperCase()]
        .filter((part) => part !== undefined)
        .join(" "),
    commit: "COMMIT",
    rollback: "ROLLBACK",
    savepoint: (name) => `SAVEPOINT ${name}`,
    release: (name) => `RELEASE ${name}`,
    rollbackTo: (name) => `ROLLBACK TO ${name}`,
    restart: Option.none()
  },
  fate: Option.some((fresh, id) =>
    Effect.map(
      fresh.run({ text: `FATE OF ${id}`, params: [], prepare: false, rows: "objects" }),
      ({ rows }) => rows[0]?.fate as Fate
    )
  ),
  migrationLock: () => Effect.succeed({ fence: Effect.void }),
  inspect: () =>
    Effect.fail(new UnsupportedError({ operation: "inspect", reason: "a scripted connection has no catalogue" })),
  ddl: () => [],
  vitals: () => Effect.succeed({ version: "scripted" }),
  sessions: "many",
  can: new Set(["cancel", "pipelining"]),
  ...differs
})

/** What differs from the defaults. @since 0.1.0 @category models */
export interface Options extends Partial<Omit<DatabaseConfig, "pool" | "target">> {
  readonly pool?: Partial<PoolSettings> | undefined
}

/** A configuration for scripted connections: two. @since 0.1.0 @category constructors */
export const config = ({ pool, ...rest }: Options = {}): DatabaseConfig => ({
  target: {
    driver: "postgres",
    hosts: [{ host: "localhost", port: 5432 }],
    database: "scripted",
    tls: { mode: "disable" },
    targetSession: "any",
    parameters: {}
  },
  replicas: [],
  profile: "test",
  pool: {
    size: 2,
    maxOverflow: 0,
    acquireTimeout: Duration.seconds(30),
    maxLifetime: Duration.infinity,
    idleTimeout: Duration.infinity,
    prePing: Duration.infinity,
    keepAlive: Duration.infinity,
    resetOnReturn: "rollback",
    onConnect: [],
    ...pool
  },
  retry: { connection: RetryPolicy.connection, conflict: RetryPolicy.conflict },
  connectTimeout: Duration.seconds(10),
  applicationName: "scripted",
  tablePrefix: "app",
  pooler: "none",
  prepare: true,
  connect: "lazy",
  functions: {},
  transformJson: false,
  spanAttributes: {},
  ...rest
})

/**
 * Server, connections and client, all in one; ends with the scope. `layer` is for effects that ask for a `SqlClient`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: Options = {}, differs: Partial<Dialect> = {}) {
  const server = new ScriptedServer()
  const connections = yield* Connections.make(config(options), dialect(server, differs))
  const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
  return { server, connections, sql, context: Context.make(SqlClient.SqlClient, sql) }
})

/** @since 0.1.0 @category models */
export type Scripted = Effect.Effect.Success<ReturnType<typeof make>>
