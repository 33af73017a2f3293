/**
 * One version: what differs from what it declares, its data moved, and its row. All of it is one transaction where DDL can be
 * taken back; elsewhere each change is made by itself, the row comes last, and a run that was cut short is gone on with,
 * because what is left to do is found out by looking.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { toStringUnknown } from "effect/Inspectable"
import { withConnection } from "../../client/withConnection.js"
import type { Connections } from "../../connection/Connections.js"
import type { DriverConnection } from "../../Dialect.js"
import * as Change from "../../model/Change.js"
import { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { type DatabaseError, find } from "../../model/DatabaseError.js"
import { Operations, type Services } from "../../model/Migration.js"
import * as RetryPolicy from "../../model/RetryPolicy.js"
import { creation, diffOn } from "../../schema/Diff.js"
import { enums } from "../../schema/diff/enums.js"
import { carryOut } from "../../schema/Render.js"
import { SchemaError } from "../../schema/SchemaError.js"
import { runOn } from "../../transaction/Run.js"
import type { Lock } from "../Lock.js"
import { patience } from "../Task.js"
import type { Failure } from "../Versions.js"
import { clearing, inTransaction, losing, opening } from "./changes.js"
import type { Register } from "./Register.js"
import { type Known, ofVersion } from "./sequence.js"

/** @since 0.1.0 @category models */
export interface Work {
  readonly connections: Connections
  /** The session that holds the lock, and all is done on. */
  readonly own: DriverConnection
  readonly lock: Lock
  readonly register: Register
}

type Step<A> = Effect.Effect<A, Failure, SqlClient.SqlClient>

const isWhole = ({ connections }: Work): boolean => connections.dialect.can.has("transactionalDdl")

/** In one transaction that still holds the lock when it ends. Its session is this run's own: where that is lost, so is the run. */
const atomically = <A>({ connections, lock }: Work, work: Step<A>): Step<A> =>
  runOn(
    connections,
    withConnection((own) => Effect.forEach(lock.locals ?? [], (text) => own.script(text), { discard: true })).pipe(
      Effect.zipRight(work),
      Effect.zipLeft(withConnection(() => Effect.zipRight(lock.settled ?? Effect.void, lock.fence)))
    ),
    { name: "Versions.version", retry: { connection: { maxRetries: 0 } } }
  )

/** The changes it took. To be called in the session that holds the lock. @since 0.1.0 @category running */
export const apply = (work: Work, known: Known): Step<ReadonlyArray<Change.Change>> => {
  const row = work.register.insert(known.version.number)
  const structure = known.version.rebuild ? rebuilt(work, known) : kept(work, known)
  const all = isWhole(work)
    ? Effect.zipWith(words(work, known), atomically(work, Effect.zipLeft(structure, row)), (one, other) => [
        ...one,
        ...other
      ])
    : Effect.zipLeft(structure, atomically(work, row))
  return all.pipe(
    Effect.mapError((error) => told(work, known, "it", error)),
    // A lock somebody else's query holds: nothing of what waited for it was done.
    Effect.retry({
      schedule: RetryPolicy.schedule(patience),
      while: (error) => find(error)?._tag === "LockTimeoutError"
    })
  )
}

/**
 * PostgreSQL takes no new word of an enum in the transaction that adds it (manual, ALTER TYPE), and a default or the data may
 * need it: words come in a transaction of their own, and stay when the version fails. Where a CHECK stands for the type, there
 * is no need.
 */
const words = (work: Work, known: Known): Step<ReadonlyArray<Change.Change>> =>
  Effect.gen(function* () {
    const { dialect } = work.connections
    if (known.version.rebuild || known.declared.enums.length === 0) return []
    const live = yield* withConnection(dialect.inspect)
    const added = enums(known.declared.enums, live.enums, () => false)
      .steps.map(({ change }) => change)
      .filter((change) => change._tag === "AddEnumValue" && dialect.rebuilds?.(change) === false)
    if (added.length > 0) yield* atomically(work, carriedOut(work, known, added))
    return added
  })

/** To the declared structure by what differs: first what gives room, then the data, then what tightens. */
const kept = (work: Work, known: Known): Step<ReadonlyArray<Change.Change>> =>
  Effect.gen(function* () {
    const first = yield* differences(work, known)
    if (known.version.migrate === undefined) return yield* finished(work, known, first)
    const room = opening(first)
    yield* carriedOut(work, known, room)
    yield* migrated(work, known)
    return [...room, ...(yield* finished(work, known, yield* differences(work, known)))]
  })

/** What would lose data is nobody's wish until somebody says so. */
const finished = (
  work: Work,
  known: Known,
  changes: ReadonlyArray<Change.Change>
): Step<ReadonlyArray<Change.Change>> => {
  const lost = losing(changes)
  return lost.length === 0
    ? Effect.as(carriedOut(work, known, changes), changes)
    : Effect.fail(
        new SchemaError({
          reason: "destructive",
          problem: `it would lose data: ${lost.map(Change.describe).join(", ")}`,
          remedy:
            "Do that yourself in its `migrate`, once nobody needs the data, or declare what is there; `rebuild: true` drops every declared table with all rows",
          version: known.version.number,
          changes: lost
        })
      )
}

/** Everything goes, and is made anew. */
const rebuilt = (work: Work, known: Known): Step<ReadonlyArray<Change.Change>> =>
  Effect.gen(function* () {
    const live = yield* withConnection(work.connections.dialect.inspect)
    const away = clearing(live, known.names)
    const back = creation(known.declared)
    yield* carriedOut(work, known, away)
    yield* migrated(work, known)
    yield* carriedOut(work, known, back)
    return [...away, ...back]
  })

/** What nobody declared so far is left alone. Where nothing is there to be compared, no scratch database is made for it. */
const differences = ({ connections }: Work, { declared, names, version }: Known): Step<ReadonlyArray<Change.Change>> =>
  withConnection((own) =>
    Effect.gen(function* () {
      const live = yield* connections.dialect.inspect(own)
      const old = new Set([...names, ...declared.tables.map(({ renamedFrom }) => renamedFrom)])
      if (![...live.tables, ...live.enums].some(({ name }) => old.has(name))) return creation(declared)
      // The session that holds the lock sees what it has changed, and may be the only one there is.
      return yield* diffOn({ ...connections, reserve: Effect.succeed(own) }, version.schema, {
        ignore: (name) => !names.has(name)
      })
    })
  )

const carriedOut = (work: Work, known: Known, changes: ReadonlyArray<Change.Change>): Step<void> =>
  Effect.forEach(changes, (change) => carried(work, known, change, Change.describe(change)), { discard: true })

const carried = (work: Work, known: Known, change: Change.Change, what: string): Step<void> =>
  Effect.mapError(
    withConnection((own) => carryOut(work.connections.dialect, own, inTransaction(change))),
    (error) => told(work, known, what, error)
  )

/** Its own statements or effect, in the version's transaction from its beginning to its end. */
const migrated = (work: Work, known: Known): Step<void> => {
  const { migrate } = known.version
  if (migrate === undefined) return Effect.void
  const body = Effect.isEffect(migrate)
    ? effect(work, known, migrate)
    : Effect.forEach(
        migrate,
        (sql, i) => carried(work, known, Change.make.Execute({ sql }), `statement ${i + 1} of its migrate`),
        { discard: true }
      )
  return Effect.zipRight(
    body,
    Effect.suspend(() =>
      isWhole(work) && work.own.status() === "idle" ? Effect.fail(endedItself(known)) : Effect.void
    )
  )
}

/** A throw in there is a failure like any other, and so is a refused statement whose error it swallowed: the savepoint tells. */
const effect = (work: Work, known: Known, migrate: Effect.Effect<unknown, unknown, Services>): Step<void> =>
  Effect.flatMap(SqlClient.SqlClient, (client) => {
    const { connections } = work
    const { config, dialect } = connections
    const operations: Operations = {
      apply: (change) =>
        Effect.provideService(
          withConnection((own) => carryOut(dialect, own, change)),
          SqlClient.SqlClient,
          client
        )
    }
    const provided = Effect.scoped(migrate).pipe(
      Effect.provideService(Operations, operations),
      Effect.provideService(DatabaseConfig, config)
    )
    return (isWhole(work) ? runOn(connections, provided) : provided).pipe(
      Effect.asVoid,
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : Effect.fail(told(work, known, "its migrate", Cause.squash(cause)))
      )
    )
  })

const endedItself = ({ version }: Known): SchemaError =>
  new SchemaError({
    reason: "failed",
    problem: "its migrate ended the transaction it ran in, so what it did is committed and the version is not applied",
    remedy: "Undo that by hand, and take COMMIT or ROLLBACK out of it",
    version: version.number
  })

/** A lost session is no fault of the version's; whatever else happened is told with its number. */
const told = (work: Work, { version }: Known, what: string, error: unknown): Failure => {
  if (error instanceof SchemaError) return error.version === undefined ? ofVersion(error, version.number) : error
  const inner = find(error)
  if (inner !== undefined && inner === error && elsewhere(inner)) return inner
  const said = inner?.reason ?? (error instanceof Error ? error.message : toStringUnknown(error, 0))
  return new SchemaError({
    reason: "failed",
    problem: `${what} failed: ${said.replace(/[.\s]+$/, "")}`,
    remedy: `${isWhole(work) ? "Nothing of the version was kept" : "What it did before stays, and the next run goes on from there"}; ${
      inner?.recovery === "reconnect"
        ? "run again when the database is back"
        : "mend it, or the rows it meets, and run again"
    }`,
    version: version.number,
    cause: error
  })
}

const elsewhere = ({ group, recovery }: DatabaseError): boolean =>
  group === "connection" || group === "pool" || recovery === "ask"
