/** What is known of replicas, and what a reader does about it: on a script, where time passes when the test says so. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Database, Transaction } from "effect-aquifer"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import type { DriverConnection, Replication } from "../../src/Dialect.js"
import { ConnectionError, ReadOnlyError, SerializationError, SqlSyntaxError } from "../../src/model/DatabaseError.js"
import * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import { ScriptedServer } from "../../src/testing/ScriptedServer.js"
import { interruptEverywhere, SteppingScheduler } from "../support/scheduler.js"
import { pass, prompt, settle } from "../transaction/support.js"

const ask = (connection: DriverConnection, text: string) =>
  Effect.map(connection.run({ text, params: [], prepare: false, rows: "objects" }), ({ rows }) => rows[0])

/** Each server answers for itself: the primary where it is, a replica how it stands. */
const replication: Replication = {
  demoted: (connection) => Effect.map(ask(connection, "SELECT demoted"), (row) => row?.demoted === true),
  position: (primary) => Effect.map(ask(primary, "SELECT position"), (row) => row?.position),
  standing: (replica) =>
    Effect.map(ask(replica, "SELECT standing"), (row) => ({ position: row?.position, age: row?.age ?? 0 }))
}

const world = (copies = 1, options: ScriptedConnection.Options = {}) =>
  Effect.gen(function* () {
    const primary = new ScriptedServer()
    const replicas = Array.from({ length: copies }, () => new ScriptedServer())
    const servers = new Map([
      ["scripted", primary],
      ...replicas.map((server, index) => [`replica${index}`, server] as const)
    ])
    const plain = ScriptedConnection.config({ retry: prompt, ...options })
    const attempts = new Map<string, number>()
    const away = { millis: 0 }
    const config = {
      ...plain,
      replicas: replicas.map((_, index) => ({ ...plain.target, database: `replica${index}` }))
    }
    const product = ScriptedConnection.dialect(primary, {
      replication,
      can: new Set(),
      connect: (config, role) =>
        Effect.suspend(() => {
          const { database } = config.target
          const server = servers.get(database)
          attempts.set(database, (attempts.get(database) ?? 0) + 1)
          return server === undefined
            ? Effect.dieMessage("no such server")
            : Effect.zipRight(
                away.millis > 0 ? Effect.sleep(away.millis) : Effect.void,
                ScriptedConnection.dialect(server).connect(config, role)
              )
        })
    })
    const connections = yield* Connections.make(config, product)
    const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    const context = Context.make(SqlClient.SqlClient, sql)
    const [replica = primary] = replicas
    return {
      primary,
      replica,
      replicas,
      /** How often somebody tried to open a session of a replica. */
      attempts: (index = 0) => attempts.get(`replica${index}`) ?? 0,
      /** How long it takes to reach a server. */
      away,
      connections,
      sql,
      here: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, context),
      read: (text: string, options?: Database.ReplicaOptions) =>
        Effect.provide(Database.onReplica(sql.unsafe(text), options), context)
    }
  })

/** What a server was asked by readers. */
const reads = (server: ScriptedServer) => server.texts.filter((text) => /^SELECT \d/.test(text))

const state = (connections: Connections.Connections) =>
  Effect.map(connections.pool.status, ({ replicas }) => replicas?.map(({ state }) => state))

const refused = new ConnectionError({ operation: "connect", reason: "refused", phase: "connect", sent: false })

describe("choosing", () => {
  it.scoped("nobody is asked anything before somebody reads, nor while nobody does", () =>
    Effect.gen(function* () {
      const { connections, read, replica, sql } = yield* world()
      yield* sql`SELECT 1`
      yield* pass("1 hour")
      expect(replica.events).toEqual([])
      expect(yield* state(connections)).toEqual(["unknown"])
      yield* read("SELECT 2")
      yield* pass("1 hour")
      expect(replica.texts).toEqual(["SELECT standing", "SELECT 2"])
      expect(yield* state(connections)).toEqual(["up"])
    })
  )

  it.scoped("one that does not answer is asked by one reader, and by nobody for a while", () =>
    Effect.gen(function* () {
      const { attempts, connections, primary, read, replica } = yield* world()
      replica.fail("CONNECT", refused, 1_000)
      yield* Effect.replicateEffect(read("SELECT 1"), 50, { concurrency: 10 })
      expect(reads(primary)).toHaveLength(50)
      expect(attempts()).toBe(1)
      expect(yield* state(connections)).toEqual(["down"])
      // It rests for one second, then two, four and five at last, and is only ever asked when somebody reads.
      const seen: Array<number> = []
      for (let second = 0; second < 20; second++) {
        yield* pass("1 second")
        yield* Effect.replicateEffect(read("SELECT 1"), 3)
        yield* settle
        seen.push(attempts())
      }
      expect(seen).toEqual([2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6])
      yield* pass("1 hour")
      expect(attempts()).toBe(6)
    })
  )

  it.scoped("one outage that many meet at once is one", () =>
    Effect.gen(function* () {
      const { attempts, away, connections, read, replica } = yield* world()
      yield* read("SELECT 1")
      yield* connections.pool.evictAll
      replica.fail("CONNECT", refused, 1_000)
      away.millis = 10
      const reading = yield* Effect.fork(Effect.replicateEffect(read("SELECT 1"), 10, { concurrency: 10 }))
      yield* pass("10 millis")
      yield* pass("10 millis")
      yield* Fiber.join(reading)
      away.millis = 0
      const before = attempts()
      yield* pass("1 second")
      yield* read("SELECT 1")
      yield* settle
      expect(attempts()).toBe(before + 1)
    })
  )

  it.scoped("one that hangs keeps a reader for a second, and the next ones not at all", () =>
    Effect.gen(function* () {
      const { connections, primary, read, replica } = yield* world()
      const hanging = replica.hold("SELECT standing")
      const reading = yield* Effect.fork(read("SELECT 1"))
      yield* hanging.arrived
      yield* pass("900 millis")
      expect(reads(primary)).toEqual([])
      yield* pass("100 millis")
      yield* Fiber.join(reading)
      yield* read("SELECT 2")
      expect(reads(primary)).toEqual(["SELECT 1", "SELECT 2"])
      expect(yield* state(connections)).toEqual(["down"])
      // Its answer came late, and counts.
      yield* hanging.release
      yield* settle
      expect(yield* state(connections)).toEqual(["up"])
      yield* read("SELECT 3")
      expect(reads(replica)).toEqual(["SELECT 3"])
    })
  )

  it.scoped("one whose connections are all in use is waited for: that is no outage", () =>
    Effect.gen(function* () {
      const { connections, primary, read, replica } = yield* world(1, { pool: { size: 1, maxOverflow: 0 } })
      yield* read("SELECT 1")
      yield* pass("1 minute")
      const slow = replica.hold("SELECT 2")
      const busy = yield* Effect.fork(read("SELECT 2"))
      yield* slow.arrived
      const waiting = yield* Effect.fork(read("SELECT 3"))
      // Nor is it one that it cannot be asked how it stands; who must know goes elsewhere.
      for (const text of ["SELECT 4", "SELECT 5"]) {
        const bounded = yield* Effect.fork(read(text, { maxStaleness: "500 millis" }))
        yield* pass("2 seconds")
        yield* Fiber.join(bounded)
      }
      expect(reads(primary)).toEqual(["SELECT 4", "SELECT 5"])
      expect(yield* state(connections)).toEqual(["up"])
      yield* slow.release
      yield* Fiber.join(busy)
      yield* Fiber.join(waiting)
      expect(reads(replica)).toEqual(["SELECT 1", "SELECT 2", "SELECT 3"])
    })
  )

  it.scoped("those equally busy take turns, and a block stays with one", () =>
    Effect.gen(function* () {
      const { here, read, replicas, sql } = yield* world(3)
      yield* Effect.replicateEffect(read("SELECT 1"), 12)
      expect(replicas.map((server) => reads(server).length)).toEqual([4, 4, 4])
      const block = Effect.replicateEffect(sql.unsafe("SELECT 2"), 5)
      yield* here(Database.onReplica(block))
      expect(replicas.map((server) => reads(server).filter((text) => text === "SELECT 2").length).sort()).toEqual([
        0, 0, 5
      ])
    })
  )

  it.scoped("the least busy comes first", () =>
    Effect.gen(function* () {
      const { read, replicas } = yield* world(2)
      yield* Effect.replicateEffect(read("SELECT 1"), 2)
      const held = replicas.map((server) => server.hold("SELECT 2"))
      yield* Effect.forkScoped(read("SELECT 2"))
      yield* settle
      const busy = replicas.findIndex((server) => reads(server).includes("SELECT 2"))
      yield* Effect.replicateEffect(read("SELECT 3"), 4)
      expect(reads(replicas[1 - busy] ?? new ScriptedServer()).slice(-4)).toEqual(Array(4).fill("SELECT 3"))
      yield* Effect.forEach(held, (hold) => hold.release)
    })
  )
})

describe("a read that fails there", () => {
  it.scoped("goes from one replica to the next and to the primary, each once", () =>
    Effect.gen(function* () {
      const { primary, read, replicas } = yield* world(2)
      for (const server of replicas) server.lose("SELECT 1", "unanswered")
      yield* read("SELECT 1")
      expect([...replicas, primary].map((server) => reads(server).length)).toEqual([1, 1, 1])
    })
  )

  it.scoped("goes to the primary when it stood in the way of the replay; its own failure is told", () =>
    Effect.gen(function* () {
      const { connections, primary, read, replica } = yield* world()
      replica.fail("SELECT 1", new SerializationError({ operation: "execute", reason: "conflict with recovery" }))
      yield* read("SELECT 1")
      expect(reads(primary)).toEqual(["SELECT 1"])
      expect(yield* state(connections)).toEqual(["up"])
      replica.fail("SELECT 2", new SqlSyntaxError({ operation: "execute", reason: "no such table" }))
      expect((yield* Effect.flip(read("SELECT 2"))).message).toBe("no such table")
      expect(reads(primary)).toEqual(["SELECT 1"])
    })
  )
})

describe("a write that is refused", () => {
  const readOnly = new ReadOnlyError({ operation: "execute", reason: "read-only transaction", sqlState: "25006" })

  it.scoped("makes the pool begin anew, though not with every one of many", () =>
    Effect.gen(function* () {
      const { connections, primary, sql } = yield* world(0)
      const invalidated = Effect.map(connections.pool.status, (status) => status.invalidated)
      const write = Effect.ignore(sql.unsafe("INSERT 1"))
      const reading = Effect.replicateEffect(
        Effect.gen(function* () {
          const held = primary.hold("SELECT 1")
          const fiber = yield* Effect.fork(sql.unsafe("SELECT 1"))
          yield* held.arrived
          return { held, fiber }
        }),
        2
      ).pipe(
        Effect.flatMap((both) =>
          Effect.forEach(both, ({ fiber, held }) => Effect.zipRight(held.release, Fiber.join(fiber)))
        )
      )
      primary.fail("INSERT 1", readOnly, 100).rows("SELECT demoted", [{ demoted: true }], 100)
      yield* reading
      yield* write
      expect(yield* invalidated).toBe(2)
      // At once again: only the one that met it leaves.
      yield* reading
      yield* write
      expect(yield* invalidated).toBe(3)
      yield* pass("1 second")
      yield* reading
      yield* write
      expect(yield* invalidated).toBe(5)
    })
  )

  it.scoped("changes nothing where the server takes writes, or has no answer", () =>
    Effect.gen(function* () {
      const { connections, primary, sql } = yield* world(0)
      primary.fail("INSERT 1", readOnly, 2).rows("SELECT demoted", [{ demoted: false }])
      expect((yield* Effect.exit(sql.unsafe("INSERT 1")))._tag).toBe("Failure")
      primary.fail("SELECT demoted", new SqlSyntaxError({ operation: "execute", reason: "no such function" }))
      expect((yield* Effect.exit(sql.unsafe("INSERT 1")))._tag).toBe("Failure")
      expect(primary.texts.filter((text) => text === "INSERT 1")).toHaveLength(2)
      expect((yield* connections.pool.status).invalidated).toBe(0)
    })
  )
})

describe("an interrupt before every operation", () => {
  const everywhere = (
    title: string,
    read: (it: Effect.Effect.Success<ReturnType<typeof world>>) => Effect.Effect<unknown, unknown>
  ) =>
    it.live(
      title,
      () =>
        Effect.gen(function* () {
          const attempt = Effect.gen(function* () {
            const scope = yield* Scope.make()
            const it = yield* Scope.extend(world(2, { pool: { size: 1, maxOverflow: 0 } }), scope).pipe(
              Effect.withScheduler(new SteppingScheduler())
            )
            it.replicas[0]?.fail("CONNECT", refused)
            return { world: { ...it, scope }, effect: read(it) }
          })
          const points = yield* interruptEverywhere(attempt, ({ connections, read, scope, sql }, _run, at) =>
            Effect.orDie(
              Effect.gen(function* () {
                const held = Effect.map(connections.pool.status, ({ checkedOut, replicas = [], waiting }) => [
                  checkedOut + waiting,
                  ...replicas.map(({ pool }) => pool.checkedOut + pool.waiting)
                ])
                for (let turn = 0; turn < 100 && (yield* held).some((n) => n > 0); turn++) yield* settle
                expect(yield* held, `interrupted before step ${at}`).toEqual([0, 0, 0])
                yield* sql.unsafe("SELECT 9")
                yield* read("SELECT 9")
                yield* Scope.close(scope, Exit.void)
              })
            )
          )
          expect(points).toBeGreaterThan(50)
        }),
      180_000
    )

  everywhere("of a read", ({ read }) => read("SELECT 1"))
  everywhere("of a transaction", ({ here, sql }) =>
    here(Database.onReplica(Transaction.run(Effect.zipRight(sql`SELECT 1`, sql`SELECT 2`))))
  )
})

describe("how old", () => {
  it.scoped("a replica that has missed something is left alone, and asked once a second", () =>
    Effect.gen(function* () {
      const { primary, read, replica } = yield* world()
      primary.rows("SELECT position", [{ position: 5n }], 1_000)
      replica.rows("SELECT standing", [{ position: 4n, age: 0 }], 1_000)
      const bounded = read("SELECT 1", { maxStaleness: Duration.seconds(2) })
      yield* Effect.replicateEffect(bounded, 3)
      const before = reads(replica).length
      for (let turn = 0; turn < 50; turn++) {
        yield* bounded
        yield* pass("100 millis")
      }
      const late = reads(replica).length
      expect(late).toBeGreaterThan(before)
      yield* Effect.replicateEffect(bounded, 3)
      expect(reads(replica).length).toBe(late)
      expect(replica.texts.filter((text) => text === "SELECT standing").length).toBeLessThanOrEqual(8)
      expect(primary.texts.filter((text) => text === "SELECT position").length).toBeLessThanOrEqual(12)
    })
  )
})
