import { connect, createServer, type Socket } from "node:net"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Database, Listen, Transaction } from "effect-aquifer"
import { adminUrl, freshDatabase, query, scratchServer } from "../support/server.js"

const withUrl = <A, E>(
  body: (url: string) => Effect.Effect<A, E, Database.Services | Scope.Scope>,
  options: Partial<Database.Options> = {}
) =>
  Effect.flatMap(freshDatabase, (url) =>
    Effect.provide(
      body(url),
      Database.layer({
        url,
        pool: { size: 1, maxOverflow: 0 },
        retry: { connection: { baseDelay: "20 millis" } },
        ...options
      })
    )
  ).pipe(Effect.scoped)

/** A way to the server that can fall silent without a word, for those who are on it. */
const silenceable = (url: string) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly silence: () => void; readonly close: () => void }>((resume) => {
      const pairs: Array<readonly [Socket, Socket]> = []
      const server = createServer((socket) => {
        const up = connect(Number(new URL(url).port), new URL(url).hostname)
        pairs.push([socket, up])
        for (const one of [socket, up]) one.on("error", () => undefined)
        socket.pipe(up).on("close", () => socket.destroy())
        up.pipe(socket).on("close", () => up.destroy())
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? String(address?.port) : ""
        resume(
          Effect.succeed({
            url: Object.assign(new URL(url), { hostname: "127.0.0.1", port }).href,
            silence: () => {
              for (const [socket, up] of pairs.splice(0)) {
                socket.unpipe(up)
                up.unpipe(socket)
              }
            },
            close: () => {
              for (const one of pairs.flat()) one.destroy()
              server.close()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** What is heard, one by one; done when the server listens. */
const hearing = (name: string) =>
  Effect.gen(function* () {
    const heard = yield* Queue.unbounded<Listen.Heard>()
    const stream = yield* Listen.subscribe(name)
    yield* Effect.forkScoped(Stream.runForEach(stream, (item) => Queue.offer(heard, item)))
    return Effect.timeout(Queue.take(heard), "10 seconds")
  })

const notification = (channel: string, payload: string) => ({ _tag: "Notification", channel, payload })

/** Back ends that listen on the database of `url`, by what they last ran. */
const listeners = (url: string) =>
  query(
    adminUrl(),
    "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND (query LIKE 'LISTEN%' OR query LIKE 'UNLISTEN%' OR query = '-- ping')",
    [new URL(url).pathname.slice(1)]
  )
const sessions = (url: string) =>
  query(adminUrl(), "SELECT pid FROM pg_stat_activity WHERE datname = $1", [new URL(url).pathname.slice(1)])
const kill = (url: string) =>
  query(
    adminUrl(),
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'LISTEN%'",
    [new URL(url).pathname.slice(1)]
  )
const settled = (url: string, many: number) =>
  sessions(url).pipe(
    Effect.repeat({ until: (found) => found.length === many, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("10 seconds")
  )

describe("LISTEN", () => {
  it.live("what is notified is heard in order, the empty payload too, by everybody who listens", () =>
    withUrl(() =>
      Effect.gen(function* () {
        const one = yield* hearing("news")
        const two = yield* hearing("news")
        const other = yield* hearing('Strange "name"; --')
        for (const payload of ["a", "", "ż🪨", "a"]) yield* Listen.notify("news", payload)
        yield* Listen.notify('Strange "name"; --')
        for (const next of [one, two]) {
          const heard = yield* Effect.replicateEffect(next, 4)
          expect(heard).toEqual(["a", "", "ż🪨", "a"].map((payload) => notification("news", payload)))
        }
        expect(yield* other).toEqual(notification('Strange "name"; --', ""))
      })
    )
  )

  it.live("a notification in a transaction is heard when that is committed, and never when it is not", () =>
    withUrl(() =>
      Effect.gen(function* () {
        const next = yield* hearing("news")
        yield* Effect.ignore(Transaction.run(Effect.zipRight(Listen.notify("news", "undone"), Effect.fail("undo"))))
        yield* Transaction.run(Effect.zipRight(Listen.notify("news", "first"), Listen.notify("news", "second")))
        expect(yield* next).toEqual(notification("news", "first"))
        expect(yield* next).toEqual(notification("news", "second"))
      })
    )
  )

  it.live("all channels of a client share one connection beside the pool, closed with the last stream", () =>
    withUrl((url) =>
      Effect.gen(function* () {
        yield* settled(url, 1)
        const scopes = yield* Effect.replicateEffect(Scope.make(), 3)
        for (const [index, scope] of scopes.entries()) {
          yield* Scope.extend(hearing(`channel ${index % 2}`), scope)
          yield* settled(url, 2)
        }
        const [first, second, third] = scopes
        for (const scope of [first, second]) if (scope !== undefined) yield* Scope.close(scope, Exit.void)
        yield* settled(url, 2)
        if (third !== undefined) yield* Scope.close(third, Exit.void)
        yield* settled(url, 1)
        // And opened again for whoever comes later.
        const next = yield* hearing("later")
        yield* Listen.notify("later", "x")
        expect(yield* next).toEqual(notification("later", "x"))
      })
    )
  )

  it.live("a channel nobody wants is no longer listened to, and one wanted again at once is", () =>
    withUrl(() =>
      Effect.gen(function* () {
        const kept = yield* hearing("kept")
        for (let round = 0; round < 20; round++) {
          const next = yield* Scope.make().pipe(
            Effect.flatMap((scope) =>
              Effect.zipRight(
                Scope.extend(hearing("fleeting"), scope),
                Effect.zipRight(Scope.close(scope, Exit.void), hearing("fleeting"))
              )
            )
          )
          yield* Listen.notify("fleeting", String(round))
          expect(yield* next).toEqual(notification("fleeting", String(round)))
          yield* Listen.notify("kept")
          expect(yield* kept).toEqual(notification("kept", ""))
        }
      }).pipe(Effect.scoped)
    )
  )

  it.live("a killed listener comes back, tells of the gap, and hears on", () =>
    withUrl((url) =>
      Effect.gen(function* () {
        const one = yield* hearing("one")
        const two = yield* hearing("two")
        for (let round = 0; round < 3; round++) {
          const [before] = yield* listeners(url)
          expect((yield* kill(url)).length).toBe(1)
          for (const [name, next] of [
            ["one", one],
            ["two", two]
          ] as const) {
            expect(yield* next).toMatchObject({
              _tag: "Gap",
              channel: name,
              cause: { _tag: "ConnectionError", sqlState: "57P01" }
            })
          }
          expect((yield* listeners(url)).map((row) => row.pid)).not.toContain(before?.pid)
          // Whoever has seen the gap hears everything from there on.
          yield* Listen.notify("one", `after ${round}`)
          yield* Listen.notify("two", `after ${round}`)
          expect(yield* one).toEqual(notification("one", `after ${round}`))
          expect(yield* two).toEqual(notification("two", `after ${round}`))
        }
        yield* settled(url, 2)
      })
    )
  )

  it.live("a server that goes away and comes back is listened to again without anybody's help", () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      yield* Effect.gen(function* () {
        const next = yield* hearing("news")
        yield* server.stop
        // Who comes meanwhile waits for it, too.
        const late = yield* Effect.fork(hearing("late"))
        yield* Effect.sleep("300 millis")
        expect(late.unsafePoll()).toBe(null)
        yield* server.start
        expect(yield* next).toMatchObject({ _tag: "Gap", channel: "news" })
        const other = yield* Fiber.join(late)
        yield* Effect.retry(
          Listen.notify("news", "back"),
          Schedule.recurs(20).pipe(Schedule.addDelay(() => "100 millis"))
        )
        yield* Listen.notify("late", "too")
        expect(yield* next).toEqual(notification("news", "back"))
        expect(yield* other).toEqual(notification("late", "too"))
      }).pipe(
        Effect.provide(
          Database.layer({
            url: server.url,
            retry: { connection: { baseDelay: "50 millis", maxDelay: "200 millis" } }
          })
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("a connection that has died without a word is noticed by the keep-alive", () =>
    Effect.gen(function* () {
      const { silence, url } = yield* Effect.flatMap(freshDatabase, silenceable)
      yield* Effect.gen(function* () {
        const next = yield* hearing("news")
        silence()
        expect(yield* next).toMatchObject({ _tag: "Gap", channel: "news", cause: { _tag: "ConnectionError" } })
        yield* Effect.retry(Listen.notify("news", "on"), Schedule.recurs(5))
        expect(yield* next).toEqual(notification("news", "on"))
      }).pipe(
        Effect.provide(
          Database.layer({ url, connect: "lazy", connectTimeout: "1 second", pool: { keepAlive: "200 millis" } })
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("interrupted at any moment it leaves no connection", () =>
    withUrl((url) =>
      Effect.gen(function* () {
        for (let delay = 0; delay < 30; delay++) {
          const fiber = yield* Effect.fork(Stream.runDrain(Listen.channel("news")))
          yield* delay < 10 ? Effect.replicateEffect(Effect.yieldNow(), delay) : Effect.sleep(`${delay} millis`)
          yield* Fiber.interrupt(fiber)
        }
        yield* settled(url, 1)
      })
    )
  )

  it.live("a stream left early ends its part only", () =>
    withUrl(() =>
      Effect.gen(function* () {
        const next = yield* hearing("news")
        const listening = yield* Deferred.make<void>()
        const two = yield* Effect.fork(
          Effect.scoped(
            Effect.flatMap(Listen.subscribe("news"), (stream) =>
              Effect.zipRight(Deferred.succeed(listening, undefined), Stream.runCollect(Stream.take(stream, 2)))
            )
          )
        )
        yield* Deferred.await(listening)
        for (const payload of ["1", "2", "3"]) yield* Listen.notify("news", payload)
        expect([...(yield* Fiber.join(two))].map((item) => item._tag === "Notification" && item.payload)).toEqual([
          "1",
          "2"
        ])
        expect(yield* Effect.replicateEffect(next, 3)).toEqual(
          ["1", "2", "3"].map((text) => notification("news", text))
        )
      })
    )
  )

  it.live("who falls behind is told what he missed, and the memory stays bounded", () =>
    withUrl(() =>
      Effect.gen(function* () {
        const slow = yield* Listen.subscribe("flood")
        const quick = yield* hearing("end")
        const sql = yield* SqlClient.SqlClient
        yield* sql`SELECT pg_notify('flood', i::text) FROM generate_series(1, 20000) AS i`
        yield* Listen.notify("end")
        yield* quick
        const heard = yield* Stream.runCollect(Stream.takeUntil(slow, (item) => item._tag === "Gap"))
        const all = [...heard]
        expect(all).toHaveLength(16_385)
        expect(all[0]).toEqual(notification("flood", "1"))
        expect(all.at(-1)).toMatchObject({ _tag: "Gap", channel: "flood", cause: { _tag: "ResourceError" } })
        yield* Listen.notify("flood", "on")
        expect([...(yield* Stream.runCollect(Stream.take(slow, 1)))]).toEqual([notification("flood", "on")])
      })
    )
  )

  it.live("the end of the database ends every stream, typed", () =>
    withUrl((url) =>
      Effect.gen(function* () {
        const ended = yield* Effect.scoped(
          Effect.gen(function* () {
            const scope = yield* Scope.make()
            const services = yield* Scope.extend(Database.layer({ url }).pipe(Layer.build), scope)
            const listening = yield* Deferred.make<void>()
            const fiber = yield* Effect.fork(
              Effect.scoped(
                Effect.flatMap(Listen.subscribe("news"), (stream) =>
                  Effect.zipRight(Deferred.succeed(listening, undefined), Stream.runDrain(stream))
                )
              ).pipe(Effect.provide(services), Effect.flip)
            )
            yield* Deferred.await(listening)
            yield* Scope.close(scope, Exit.void)
            return yield* Fiber.join(fiber)
          })
        )
        expect(ended._tag).toBe("PoolClosed")
        yield* settled(url, 1)
      })
    )
  )
})

describe("LISTEN that cannot be", () => {
  it.live("a database that cannot be reached at first is a ConnectionError", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(Listen.channel("news")))
      expect(error._tag).toBe("ConnectionError")
    }).pipe(Effect.provide(Database.layer({ url: "postgres://me@127.0.0.1:1/db", connect: "lazy" })), Effect.scoped)
  )

  it.live("a product without it, and a transaction-mode pooler, are UnsupportedErrors", () =>
    Effect.gen(function* () {
      const both = Effect.all([
        Effect.flip(Stream.runDrain(Listen.channel("news"))),
        Effect.flip(Listen.notify("news"))
      ])
      const onSqlite = yield* Effect.provide(both, Database.layer({ url: "sqlite::memory:" }))
      expect(onSqlite.map((error) => error._tag)).toEqual(["UnsupportedError", "UnsupportedError"])
      const url = yield* freshDatabase
      const pooled = yield* Effect.provide(
        Effect.flip(Stream.runDrain(Listen.channel("news"))),
        Database.layer({ url, pooler: "transaction" })
      )
      expect(pooled._tag).toBe("UnsupportedError")
      yield* settled(url, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a name that is none is a DataError, and so is a payload that is too long", () =>
    withUrl(() =>
      Effect.gen(function* () {
        for (const name of ["", "a\0b", "x".repeat(64), "ż".repeat(32)]) {
          expect((yield* Effect.flip(Stream.runDrain(Listen.channel(name))))._tag).toBe("DataError")
          expect((yield* Effect.flip(Listen.notify(name)))._tag).toBe("DataError")
        }
        expect((yield* Effect.flip(Listen.notify("news", "x".repeat(8_000))))._tag).toBe("DataError")
        const next = yield* hearing("ż".repeat(31))
        yield* Listen.notify("ż".repeat(31), "x".repeat(7_999))
        expect((yield* next)._tag).toBe("Notification")
      })
    )
  )
})
