/** A server that goes down, comes back, or waits for somebody else, while transactions end on it. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DatabaseError } from "effect-aquifer"
import type { Proxy } from "../support/proxy.js"
import { freshRole, query, type ScratchServer, scratchServer, scratchServerWith } from "../support/server.js"
import { eventually, world, worldOn } from "./world.js"

it.scopedLive(
  "a server that crashes after it committed and before its answer: success once it is back, exactly once",
  () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      const { after, line, write, written } = yield* worldOn(server.url)
      line.next("hole after")
      const fiber = yield* Effect.fork(write(1))
      yield* eventually(
        "the server has committed",
        Effect.sync(() => line.counts.committed),
        (n) => n === 1
      )
      yield* server.crash
      line.all("reset")
      yield* server.start
      expect(yield* Fiber.join(fiber)).toBe(1)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
    })
)

it.scopedLive("a server that crashes before COMMIT reached it: run again, exactly once", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    const { after, line, write, written } = yield* worldOn(server.url)
    const commit = line.hold()
    const fiber = yield* Effect.fork(write(1))
    yield* Effect.promise(() => commit.arrived)
    yield* server.crash
    commit.release()
    yield* server.start
    expect(yield* Fiber.join(fiber)).toBe(2)
    expect(yield* written).toEqual([1])
    expect(after).toEqual([1])
  })
)

/** The next COMMIT meets `fault`, and nobody gets through any more until `refusing` is taken back. */
const losing = (line: Proxy, fault: "lose before" | "reset after") => {
  line.plan = {
    ...line.plan,
    atCommit: () => {
      if (line.counts[fault] > 0) return undefined
      line.refusing = true
      return fault
    }
  }
}

const crashes = [
  ["a crash", (server: ScratchServer) => Effect.zipRight(server.crash, server.start)],
  [
    "the crash of one back end, which takes all others along",
    (server: ScratchServer) =>
      Effect.gen(function* () {
        const victims = yield* query(
          server.url,
          "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        for (const { pid } of victims) process.kill(pid, "SIGKILL")
        // Some of them are still refused, or cut off.
        const answers = Effect.option(query(server.url, "SELECT 1 WHERE NOT pg_is_in_recovery()"))
        yield* Effect.sleep("200 millis")
        yield* eventually("it has recovered", answers, (rows) => rows._tag === "Some")
      })
  ]
] as const

for (const [what, crash] of crashes) {
  it.scopedLive(`an id that ${what} gave back and somebody else's commit took is not mistaken for ours`, () =>
    Effect.gen(function* () {
      // What nobody has committed stays in the server's memory, and is lost with it: the id is given out a second time.
      const server = yield* scratchServerWith({ synchronous_commit: "on", wal_writer_delay: "10s" })
      // Somebody without any rights but those everybody has.
      const role = yield* freshRole(server.url, "NOSUPERUSER")
      yield* query(server.url, `GRANT CREATE ON SCHEMA public TO "${role.name}"; CREATE TABLE others (id xid8)`)
      const { after, line, write, written } = yield* worldOn(role.url)
      yield* query(server.url, "CHECKPOINT")
      losing(line, "lose before")
      const fiber = yield* Effect.fork(write(1))
      yield* eventually(
        "COMMIT is lost",
        Effect.sync(() => line.refusing),
        (refusing) => refusing
      )
      const lost = yield* query(
        server.url,
        "SELECT backend_xid::text AS id FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
      )
      yield* crash(server)
      for (let i = 0; i < 8; i++) yield* query(server.url, "INSERT INTO others VALUES (pg_current_xact_id())")
      const reused = yield* query(server.url, "SELECT id::text AS id FROM others")
      expect(reused).toContainEqual(lost[0])
      line.refusing = false
      expect(yield* Fiber.join(fiber)).toBe(2)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
    })
  )

  it.scopedLive(`a commit that ${what} did not take is success, though ids are given out again behind it`, () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      const { after, line, write, written } = yield* worldOn(server.url)
      yield* query(server.url, "CREATE TABLE others (id xid8)")
      losing(line, "reset after")
      const fiber = yield* Effect.fork(write(1))
      yield* eventually(
        "the answer is lost",
        Effect.sync(() => line.counts.committed),
        (n) => n === 1
      )
      yield* crash(server)
      for (let i = 0; i < 8; i++) yield* query(server.url, "INSERT INTO others VALUES (pg_current_xact_id())")
      line.refusing = false
      expect(yield* Fiber.join(fiber)).toBe(1)
      expect(yield* written).toEqual([1])
      expect(after).toEqual([1])
    })
  )
}

it.scopedLive(
  "statistics reset by hand are not taken for a crash: committed is success, undelivered is run again",
  () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      const { after, line, write, written } = yield* worldOn(server.url)
      for (const [fault, attempts] of [
        ["reset after", 1],
        ["lose before", 2]
      ] as const) {
        losing(line, fault)
        const fiber = yield* Effect.fork(write(attempts))
        yield* eventually(
          "COMMIT is lost",
          Effect.sync(() => line.counts[fault] === 1 && line.refusing && line.counts.committed === 1),
          (lost) => lost
        )
        yield* query(server.url, "SELECT pg_stat_reset_shared('bgwriter')")
        line.refusing = false
        expect(yield* Fiber.join(fiber)).toBe(attempts)
      }
      expect(yield* written).toEqual([1, 2])
      expect(after).toEqual([1, 2])
    })
)

it.scopedLive("after a crash and a later checkpoint, what may be somebody else's commit is unknown, not guessed", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    const { after, line, write, written } = yield* worldOn(server.url)
    losing(line, "reset after")
    const fiber = yield* Effect.fork(Effect.flip(write(1)))
    yield* eventually(
      "the answer is lost",
      Effect.sync(() => line.counts.committed),
      (n) => n === 1
    )
    yield* server.crash
    yield* server.start
    yield* query(server.url, "CREATE TABLE others (id xid8); CHECKPOINT")
    line.refusing = false
    const error = DatabaseError.find(yield* Fiber.join(fiber))
    expect(error?._tag).toBe("CommitUnknown")
    expect(DatabaseError.find(error?.suppressed)?.reason).toContain("recovery")
    expect(yield* written).toEqual([1])
    expect(line.counts.commits).toBe(1)
    expect(after).toEqual([])
  })
)

it.scopedLive("a server stopped and started under load loses nothing and repeats nothing", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    const { after, write, written } = yield* worldOn(server.url, { pool: { size: 8, maxOverflow: 0 } })
    const ids = Array.from({ length: 400 }, (_, index) => index)
    const fiber = yield* Effect.fork(Effect.forEach(ids, (id) => write(id), { concurrency: 16, discard: true }))
    yield* eventually(
      "a part is done",
      Effect.sync(() => after.length),
      (n) => n >= 50
    )
    yield* server.stop
    yield* Effect.sleep("100 millis")
    yield* server.start
    yield* Fiber.join(fiber)
    expect(yield* written).toEqual(ids)
    expect([...after].sort((a, b) => a - b)).toEqual(ids)
  })
)

it.scopedLive("connections killed while they are idle are replaced unseen", () =>
  Effect.gen(function* () {
    const { line, pool, url, write, written } = yield* world({ pool: { size: 4, maxOverflow: 0 } })
    const round = (ids: ReadonlyArray<number>) => Effect.forEach(ids, (id) => write(id), { concurrency: 4 })
    expect(yield* round([1, 2, 3, 4])).toEqual([1, 1, 1, 1])
    yield* query(
      url,
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    yield* eventually("they are gone", pool.status, ({ checkedIn }) => checkedIn === 0)
    expect(yield* round([5, 6, 7, 8])).toEqual([1, 1, 1, 1])
    line.all("reset")
    yield* eventually("they are gone", pool.status, ({ checkedIn }) => checkedIn === 0)
    expect(yield* round([9, 10, 11, 12])).toEqual([1, 1, 1, 1])
    expect((yield* written).length).toBe(12)
    expect((yield* pool.status).invalidated).toBeGreaterThanOrEqual(2)
  })
)

it.scopedLive("a COMMIT held up by a standby that is away is waited for while it is in progress, then known", () =>
  Effect.gen(function* () {
    const server = yield* scratchServer
    const { after, line, write, written } = yield* worldOn(server.url)
    const standby = (name: string) =>
      Effect.zipRight(
        query(server.url, `ALTER SYSTEM SET synchronous_standby_names = '${name}'`),
        query(server.url, "SELECT pg_reload_conf()")
      )
    yield* standby("nobody")
    const waiting = query(
      server.url,
      "SELECT backend_xid::text AS id FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    )
    // A setting takes a moment to reach every back end: only one that waits proves it.
    const fiber = yield* Effect.fork(
      Effect.gen(function* () {
        yield* eventually("the setting holds", query(server.url, "SHOW synchronous_standby_names"), (rows) =>
          rows.some((row) => row.synchronous_standby_names === "nobody")
        )
        return yield* write(1)
      })
    )
    const held = yield* eventually("COMMIT waits for the standby", waiting, (rows) => rows.length > 0)
    line.all("reset")
    yield* Effect.sleep("1 second")
    // It is neither reported nor repeated, and the one that waits has not been ended.
    expect(fiber.unsafePoll()).toBeNull()
    expect(yield* waiting).toEqual(held)
    expect(line.counts.commits).toBe(1)
    yield* standby("")
    expect(yield* Fiber.join(fiber)).toBe(1)
    expect(yield* written).toEqual([1])
    expect(after).toEqual([1])
  })
)
