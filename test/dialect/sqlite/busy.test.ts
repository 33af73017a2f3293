import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { failure, file, otherProcess, request, rows, writer } from "./support.js"

const count = "SELECT count(*) AS n FROM t"
const insert = request("INSERT INTO t VALUES (1)")
const glued = request("INSERT INTO t VALUES (1)", [], { begin: "BEGIN IMMEDIATE" })

/** A file with a table, our session, and another process that holds the write lock. */
const contested = (lockTimeout?: Duration.DurationInput) =>
  Effect.gen(function* () {
    const path = yield* file
    const connection = yield* writer(
      path,
      lockTimeout === undefined ? {} : { lockTimeout: Duration.decode(lockTimeout) }
    )
    yield* connection.script("CREATE TABLE t (a)")
    const other = yield* otherProcess(path)
    expect(yield* other.tell("BEGIN IMMEDIATE")).toBe("done")
    return { path, connection, other }
  })

/** Two sessions on a rollback journal, where readers and the writer's COMMIT get in each other's way. */
const journalled = (lockTimeout: Duration.DurationInput) =>
  Effect.gen(function* () {
    const path = yield* file
    const connection = yield* writer(path, { lockTimeout: Duration.decode(lockTimeout) }, { journal_mode: "delete" })
    yield* connection.script("CREATE TABLE t (a)")
    return { connection, other: yield* otherProcess(path) }
  })

describe("another process's lock is waited for without holding this one up", () => {
  const waits = [
    ["a statement by itself", insert],
    ["BEGIN", glued]
  ] as const

  it.scopedLive.each(waits)("%s gets it when it is free; meanwhile others run", ([, what]) =>
    Effect.gen(function* () {
      const { connection, other } = yield* contested()
      let ticks = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.zipRight(
            Effect.sleep(5),
            Effect.sync(() => ticks++)
          )
        )
      )
      const fiber = yield* Effect.fork(connection.run(what))
      while (ticks < 10) yield* Effect.sleep(5)
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      expect(yield* other.tell("COMMIT")).toBe("done")
      expect((yield* Fiber.join(fiber)).count).toBe(1)
      expect(connection.status()).toBe(what === glued ? "open" : "idle")
    })
  )

  it.scopedLive.each(waits)("%s can be interrupted, and is never done then", ([, what]) =>
    Effect.gen(function* () {
      const { connection, other } = yield* contested("1 hour")
      const fiber = yield* Effect.fork(connection.run(what))
      yield* Effect.sleep(30)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(connection.status()).toBe("idle")
      expect(yield* other.tell("COMMIT")).toBe("done")
      expect(yield* rows(connection, count)).toEqual([{ n: 0 }])
    })
  )

  it.scoped.each(waits)("%s fails when the five seconds are over, and not before", ([, what]) =>
    Effect.gen(function* () {
      const { connection } = yield* contested()
      const fiber = yield* Effect.fork(Effect.flip(connection.run(what)))
      yield* TestClock.adjust("4900 millis")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      yield* TestClock.adjust("100 millis")
      const error = yield* Fiber.join(fiber)
      expect(error).toMatchObject({
        _tag: "LockTimeoutError",
        operation: what === glued ? "begin" : "execute",
        sqlState: "SQLITE_BUSY",
        detail: "waited 5s"
      })
      expect(connection.status()).toBe("idle")
    })
  )

  it.scoped("`lockTimeout` says how long; none at all fails at once", () =>
    Effect.gen(function* () {
      const { connection } = yield* contested("0 millis")
      expect((yield* failure(connection.run(insert)))._tag).toBe("LockTimeoutError")
    })
  )

  it.scoped("a script outside a transaction waits as a whole", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* contested()
      const fiber = yield* Effect.fork(connection.script("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"))
      yield* TestClock.adjust("1 second")
      expect(yield* other.tell("COMMIT")).toBe("done")
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(fiber)).length).toBe(2)
      expect(yield* rows(connection, count)).toEqual([{ n: 2 }])
    })
  )

  it.scoped("COMMIT waits for readers where it must, and leaves the transaction open when it could not", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* journalled("1 second")
      expect(yield* other.tell("BEGIN; SELECT * FROM t")).toBe("done")
      yield* connection.run(glued)
      const first = yield* Effect.fork(Effect.flip(connection.script("COMMIT")))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(first)).toMatchObject({ _tag: "LockTimeoutError", operation: "commit" })
      expect(connection.status()).toBe("open")
      const second = yield* Effect.fork(connection.script("COMMIT"))
      yield* TestClock.adjust("500 millis")
      expect(yield* other.tell("COMMIT")).toBe("done")
      yield* TestClock.adjust("500 millis")
      expect((yield* Fiber.join(second))[0]?.tag).toBe("COMMIT")
      expect(yield* rows(connection, count)).toEqual([{ n: 1 }])
    })
  )

  it.scoped("inside a transaction that has read, waiting could never end, and is not begun", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* journalled("1 hour")
      yield* connection.run(request(count, [], { begin: "BEGIN" }))
      expect(yield* other.tell("BEGIN IMMEDIATE")).toBe("done")
      expect((yield* failure(connection.run(insert)))._tag).toBe("LockTimeoutError")
      expect(connection.status()).toBe("open")
    })
  )

  it.scoped("a stream waits before its first row", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* journalled("1 hour")
      expect(yield* other.tell("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)")).toBe("done")
      const fiber = yield* Effect.fork(Stream.runCollect(connection.stream(request("SELECT * FROM t"))))
      yield* TestClock.adjust("1 second")
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      expect(yield* other.tell("COMMIT")).toBe("done")
      yield* TestClock.adjust("1 second")
      expect([...(yield* Fiber.join(fiber))]).toEqual([[{ a: 1 }]])
    })
  )

  it.scoped("opening waits too, within the connect timeout", () =>
    Effect.gen(function* () {
      const path = yield* file
      const other = yield* otherProcess(path)
      expect(yield* other.tell("CREATE TABLE t (a); BEGIN EXCLUSIVE")).toBe("done")
      const opening = writer(path, { connectTimeout: Duration.seconds(3) })
      const late = yield* Effect.fork(Effect.flip(Effect.scoped(opening)))
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(late)).toMatchObject({ _tag: "LockTimeoutError", operation: "connect" })
      const fiber = yield* Effect.fork(opening)
      yield* TestClock.adjust("1 second")
      expect(yield* other.tell("COMMIT")).toBe("done")
      yield* TestClock.adjust("1 second")
      expect(yield* rows(yield* Fiber.join(fiber), count)).toEqual([{ n: 0 }])
    })
  )
})

describe("under runSync nothing ever suspends", () => {
  it("a whole program: open, write, a transaction, a stream, close", () => {
    const program = Effect.gen(function* () {
      const connection = yield* writer(yield* file)
      yield* connection.script("CREATE TABLE t (a); INSERT INTO t VALUES (0)")
      yield* connection.run(glued)
      yield* connection.script("COMMIT")
      yield* connection.ping
      yield* connection.reset
      return [...(yield* Stream.runCollect(connection.stream(request("SELECT * FROM t"))))]
    })
    expect(Effect.runSync(Effect.scoped(program))).toEqual([[{ a: 0 }, { a: 1 }]])
  })

  it.scopedLive("another process's lock is waited for by SQLite itself", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* contested("20 seconds")
      expect(yield* other.tell("COMMIT", 200)).toBe("later")
      expect(Effect.runSync(connection.run(insert)).count).toBe(1)
      expect(connection.status()).toBe("idle")
    })
  )

  it.scopedLive("for as long as `lockTimeout` says, and afterwards it waits briefly again", () =>
    Effect.gen(function* () {
      const { connection, other } = yield* contested("50 millis")
      const exit = Effect.runSyncExit(Effect.flip(connection.run(insert)))
      expect(exit).toMatchObject({ _tag: "Success", value: { _tag: "LockTimeoutError", detail: "waited 50ms" } })
      expect(yield* other.tell("COMMIT")).toBe("done")
      expect(yield* rows(connection, "PRAGMA busy_timeout")).toEqual([{ timeout: 2 }])
    })
  )
})
