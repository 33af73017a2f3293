/** The words themselves: what each class allows, how the first database error is found, and what is printed. */
import { inspect } from "node:util"
import { SqlError } from "@effect/sql/SqlError"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import { DatabaseError } from "effect-aquifer"

type Tag = keyof typeof DatabaseError.classes

const details = { operation: "execute", reason: "the server said so" }

const snapshot: DatabaseError.PoolSnapshot = {
  size: 1,
  checkedOut: 1,
  checkedIn: 0,
  overflow: 0,
  opening: 0,
  waiting: 1,
  invalidated: 0,
  totals: { acquired: 1, opened: 1, closed: 0, timeouts: 0, shed: 0, leaks: 0, failures: 0 }
}

const last = new DatabaseError.DeadlockError(details)

/** One of each. */
const make = (tag: Tag): DatabaseError.DatabaseError => {
  switch (tag) {
    case "ConnectionError":
      return new DatabaseError.ConnectionError({ ...details, phase: "statement", sent: true })
    case "PoolTimeout":
      return new DatabaseError.PoolTimeout({ ...details, snapshot, holders: [] })
    case "RetriesExhausted":
      return new DatabaseError.RetriesExhausted({ ...details, attempts: [last], last })
    default:
      return new DatabaseError.classes[tag](details)
  }
}

type Allowed = readonly [
  tag: Tag,
  group: DatabaseError.Group,
  recovery: DatabaseError.Recovery,
  transient: boolean,
  safe: boolean
]

/** Every cell: the group an application tells apart, what may be done, and both questions answered. */
const table: ReadonlyArray<Allowed> = [
  ["ConnectionError", "connection", "reconnect", true, false],
  ["AuthenticationError", "connection", "never", false, false],
  ["AuthorizationError", "query", "never", false, false],
  ["DatabaseNotFound", "connection", "never", false, false],
  ["TooManyConnections", "connection", "reconnect", true, true],
  ["PoolTimeout", "pool", "reconnect", true, true],
  ["PoolOverloaded", "pool", "caller", false, false],
  ["PoolClosed", "pool", "never", false, false],
  ["SqlSyntaxError", "schema", "never", false, false],
  ["UniqueViolation", "query", "caller", false, false],
  ["ForeignKeyViolation", "query", "never", false, false],
  ["NotNullViolation", "query", "never", false, false],
  ["CheckViolation", "query", "never", false, false],
  ["ExclusionViolation", "query", "caller", false, false],
  ["SerializationError", "query", "restart", true, false],
  ["DeadlockError", "query", "restart", true, false],
  ["LockTimeoutError", "query", "caller", false, false],
  ["StatementTimeoutError", "query", "never", false, false],
  ["QueryCanceled", "query", "never", false, false],
  ["ReadOnlyError", "query", "never", false, false],
  ["TransactionAborted", "query", "never", false, false],
  ["TransactionClosed", "query", "never", false, false],
  ["CommitUnknown", "query", "ask", false, false],
  ["DataError", "query", "never", false, false],
  ["ResourceError", "query", "never", false, false],
  ["StaleStatement", "query", "reprepare", true, true],
  ["UnsupportedError", "query", "never", false, false],
  ["UnknownError", "query", "never", false, false],
  ["RetriesExhausted", "query", "never", false, false]
]

describe("every class", () => {
  it("stands in this table", () => {
    expect(table.map(([tag]) => tag)).toEqual(Object.keys(DatabaseError.classes))
  })

  it.each(table)(
    "%s: of group %s, recovery %s, transient %s, safe to send again %s",
    (tag, group, recovery, transient, safe) => {
      const error = make(tag)
      expect([error._tag, error.group, error.recovery]).toEqual([tag, group, recovery])
      expect(DatabaseError.isDatabaseError(error)).toBe(true)
      expect(DatabaseError.isTransient(error)).toBe(transient)
      expect(DatabaseError.safeToRetry(error)).toBe(safe)
      expect(error).toBeInstanceOf(Error)
      expect(error).toBeInstanceOf(DatabaseError.classes[tag])
    }
  )

  it("a lost connection is safe to send again on exactly when nothing was sent", () => {
    const lost = (sent: boolean) => new DatabaseError.ConnectionError({ ...details, phase: "statement", sent })
    expect([lost(true), lost(false)].map(DatabaseError.safeToRetry)).toEqual([false, true])
  })

  it("what only looks like one is none", () => {
    const alike = { ...details, _tag: "DeadlockError", group: "query", recovery: "restart" }
    const foreign = new (class DeadlockError extends Data.TaggedError("DeadlockError") {})()
    for (const u of [alike, foreign, { _tag: "toString" }, null, undefined, "DeadlockError", 40001]) {
      expect(DatabaseError.isDatabaseError(u)).toBe(false)
      expect(DatabaseError.isTransient(u)).toBe(false)
      expect(DatabaseError.safeToRetry(u)).toBe(false)
    }
  })

  it("can be caught by its tag", () => {
    const caught = Effect.fail(last as DatabaseError.DatabaseError).pipe(
      Effect.catchTag("DeadlockError", (error) => Effect.succeed(error.recovery)),
      Effect.merge,
      Effect.runSync
    )
    expect(caught).toBe("restart")
  })
})

describe("the message", () => {
  it("is computed from what the server said, the constraint before table and column", () => {
    const violation = (fields: Partial<DatabaseError.Details>) =>
      new DatabaseError.UniqueViolation({ ...details, sqlState: "23505", ...fields }).message
    expect(violation({})).toBe("UniqueViolation in execute: the server said so (23505)")
    expect(violation({ table: "t", column: "c" })).toBe("UniqueViolation in execute: the server said so (23505) [t.c]")
    expect(violation({ table: "t", constraint: "u", hint: "Look" })).toBe(
      "UniqueViolation in execute: the server said so (23505) [u]. Look"
    )
  })

  it("holds neither the detail, which may repeat a value, nor the cause", () => {
    const error = new DatabaseError.UniqueViolation({
      ...details,
      detail: "Key (email)=(secret) already exists.",
      cause: new Error("secret")
    })
    expect(error.message).not.toContain("secret")
    expect(String(error)).not.toContain("secret")
  })

  it("stands in every way an error is printed", () => {
    const error = make("DeadlockError")
    expect(inspect(error)).toContain(error.message)
    expect(Cause.pretty(Cause.fail(error))).toContain(error.message)
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ ...details, _tag: "DeadlockError" })
  })
})

/** As ORMs do it: a class of their own, the driver's error behind it. */
class DrizzleQueryError extends Error {
  constructor(
    readonly query: string,
    readonly params: ReadonlyArray<unknown>,
    override readonly cause: unknown
  ) {
    super(`Failed query: ${query}\nparams: ${params.join(",")}`)
  }
}

const fiberFailure = (error: unknown) => {
  try {
    Effect.runSync(Effect.fail(error))
    return undefined
  } catch (thrown) {
    return thrown
  }
}

const circular = new Error("round and round")
circular.cause = new Error("and round", { cause: circular })

describe("the first database error is found", () => {
  const wrappers: ReadonlyArray<readonly [string, unknown]> = [
    ["as itself", last],
    ["in a SqlError", new SqlError({ cause: last, message: "m" })],
    ["in an ORM's error", new DrizzleQueryError("select 1", [1], last)],
    ["in an ORM's error around a SqlError", new DrizzleQueryError("x", [], new SqlError({ cause: last }))],
    [
      "at the end of a long chain",
      Array.from({ length: 50 }).reduce((inner) => new Error("more", { cause: inner }), last)
    ],
    ["among several", new AggregateError([new Error("no"), new Error("wraps", { cause: last })])],
    ["in a FiberFailure", fiberFailure(last)],
    ["in a FiberFailure around a SqlError", fiberFailure(new SqlError({ cause: last }))],
    ["in a failed Cause", Cause.fail(last)],
    ["in a defect", Cause.die(last)],
    ["beside an interruption", Cause.parallel(Cause.interrupt(FiberId.none), Cause.fail(last))],
    ["behind another part of a Cause", Cause.sequential(Cause.die("no"), Cause.fail(new SqlError({ cause: last })))],
    ["in a FiberFailure of a whole Cause", Runtime.makeFiberFailure(Cause.parallel(Cause.die("x"), Cause.fail(last)))],
    [
      "in a tagged error of the application",
      new (class App extends Data.TaggedError("App")<{ cause: unknown }> {})({ cause: last })
    ],
    ["in a failed Exit's Cause", Exit.fail(last).pipe((exit) => (Exit.isFailure(exit) ? exit.cause : undefined))]
  ]

  it.each(wrappers)("%s", (_, wrapped) => {
    expect(DatabaseError.find(wrapped)).toBe(last)
    expect(DatabaseError.from(wrapped)).toBe(last)
    expect(DatabaseError.isTransient(wrapped)).toBe(true)
  })

  it("and the outermost of two is the one", () => {
    const outer = new DatabaseError.TransactionAborted({ ...details, cause: last })
    expect(DatabaseError.find(new SqlError({ cause: outer }))).toBe(outer)
    expect(DatabaseError.isTransient(outer)).toBe(false)
  })

  it.each([
    ["a circle", circular],
    ["a text", "40001"],
    ["nothing", undefined],
    ["a plain error", new Error("mine")],
    [
      "an object that answers itself",
      (() => {
        const o: { cause?: unknown } = {}
        o.cause = o
        return o
      })()
    ]
  ])("not in %s: that is UnknownError around it, untouched", (_, u) => {
    expect(DatabaseError.find(u)).toBe(undefined)
    const error = DatabaseError.from(u, "acquire")
    expect(error).toBeInstanceOf(DatabaseError.UnknownError)
    expect(error.operation).toBe("acquire")
    expect(error.cause).toBe(u)
    expect(error.recovery).toBe("never")
  })
})

describe("refine", () => {
  class Mine extends Data.TaggedError("Mine") {}

  it("turns SqlError into the tagged union, at the type level too", () => {
    const program: Effect.Effect<never, SqlError | Mine> = Effect.fail(new SqlError({ cause: last, message: "m" }))
    const refined: Effect.Effect<never, DatabaseError.DatabaseError | Mine> = DatabaseError.refine(program)
    expect(Effect.runSync(Effect.flip(refined))).toBe(last)
  })

  it("makes UnknownError of a SqlError without one of ours behind it", () => {
    const failure = Effect.runSync(
      Effect.flip(DatabaseError.refine(Effect.fail(new SqlError({ cause: new Error("x") }))))
    )
    expect(failure._tag).toBe("UnknownError")
  })

  it("leaves other failures, defects, interruptions and successes alone", () => {
    const mine = new Mine()
    expect(Effect.runSync(Effect.flip(DatabaseError.refine(Effect.fail(mine))))).toBe(mine)
    const exit = Effect.runSyncExit(DatabaseError.refine(Effect.die(last)))
    expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
    expect(Exit.isInterrupted(Effect.runSyncExit(DatabaseError.refine(Effect.interrupt)))).toBe(true)
    expect(Effect.runSync(DatabaseError.refine(Effect.succeed(1)))).toBe(1)
  })
})
