/** Servers that stop answering, cut connections: through a relay that can freeze and cut. */
import { connect, createServer, type Socket } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { freshDatabase } from "../../support/server.js"
import { connectTo, request, targetOf, value } from "./support.js"

/** Between a session and its server. */
const relay = Effect.gen(function* () {
  const url = yield* freshDatabase
  const [server] = targetOf(url).hosts
  const sockets = new Set<Socket>()
  const state = { frozen: false, connections: 0 }
  const listening = createServer((near) => {
    state.connections++
    const far = connect(server?.port ?? 0, server?.host ?? "")
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(from)
      from.on("data", (bytes) => {
        if (!state.frozen) to.write(bytes)
      })
      from.on("close", () => to.destroy()).on("error", () => undefined)
    }
  })
  const port = yield* Effect.acquireRelease(
    Effect.async<number>((resume) => {
      listening.listen(0, "127.0.0.1", () => {
        const address = listening.address()
        resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0))
      })
    }),
    () =>
      Effect.async<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        listening.close(() => resume(Effect.void))
      })
  )
  return {
    state,
    url,
    target: { hosts: [{ host: "127.0.0.1", port }] },
    cut: Effect.sync(() => {
      for (const socket of sockets) socket.resetAndDestroy()
    })
  }
})

describe("a server that stops answering", () => {
  it.live("after a bare cut every statement sent may have run, and says so", () =>
    Effect.gen(function* () {
      const { cut, target, url } = yield* relay
      const session = yield* connectTo(url, {}, target)
      const statements = yield* Effect.fork(
        Effect.forEach([1, 2], () => Effect.flip(session.run(request("select pg_sleep(30)"))), { concurrency: 2 })
      )
      yield* Effect.sleep("30 millis")
      yield* cut
      const errors = yield* Fiber.join(statements)
      expect(
        errors.map((error) => (error._tag === "ConnectionError" ? [error.phase, error.sent] : error._tag))
      ).toEqual([
        ["statement", true],
        ["statement", true]
      ])
      expect(yield* session.lost).toMatchObject({ _tag: "ConnectionError", phase: "statement" })
    }).pipe(Effect.scoped)
  )

  it.live("a COMMIT under way when the connection is cut is a failure of phase commit", () =>
    Effect.gen(function* () {
      const { cut, state, target, url } = yield* relay
      const session = yield* connectTo(url, {}, target)
      yield* session.run(request("select 1", [], { begin: "BEGIN" }))
      state.frozen = true
      const commit = yield* Effect.fork(Effect.flip(session.script("COMMIT")))
      yield* Effect.sleep("30 millis")
      yield* cut
      expect(yield* Fiber.join(commit)).toMatchObject({ _tag: "ConnectionError", phase: "commit", sent: true })
    }).pipe(Effect.scoped)
  )

  it.live("a cancel that is not heard breaks the session instead of waiting on", () =>
    Effect.gen(function* () {
      const { state, target, url } = yield* relay
      const session = yield* connectTo(url, {}, target)
      const statement = yield* Effect.fork(Effect.flip(session.run(request("select pg_sleep(30)"))))
      yield* Effect.sleep("30 millis")
      state.frozen = true
      yield* session.cancel
      expect([session.status(), session.pending()]).toEqual(["broken", 0])
      expect((yield* Fiber.join(statement))._tag).toBe("ConnectionError")
    }).pipe(Effect.scoped)
  )

  it.live("ping and reset end at the connect timeout", () =>
    Effect.gen(function* () {
      const { state, target, url } = yield* relay
      for (const prove of ["ping", "reset"] as const) {
        state.frozen = false
        const session = yield* connectTo(url, { connectTimeout: Duration.millis(300) }, target)
        state.frozen = true
        expect((yield* Effect.flip(session[prove]))._tag).toBe("ConnectionError")
        expect(session.status()).toBe("broken")
        yield* session.lost
      }
    }).pipe(Effect.scoped)
  )

  it.live("a statement overdue by 5 s ends its session; one that set its own limit is left alone", () =>
    Effect.gen(function* () {
      const { state, target, url } = yield* relay
      const settings = { statementTimeout: Duration.millis(200) }
      const session = yield* connectTo(url, settings, target)
      const patient = yield* connectTo(url, settings)
      yield* patient.script("set statement_timeout = 0")
      state.frozen = true
      const [error, slept] = yield* Effect.all(
        [Effect.flip(session.run(request("select 1"))), value(patient, "select pg_sleep(5.5)::text")],
        { concurrency: 2 }
      )
      expect(error).toMatchObject({ _tag: "ConnectionError", phase: "statement", sent: true })
      expect([slept, patient.status()]).toEqual(["", "idle"])
    }).pipe(Effect.scoped)
  )

  it.live("a stream is told of the cut, wherever it stands", () =>
    Effect.gen(function* () {
      const { cut, target, url } = yield* relay
      const session = yield* connectTo(url, {}, target)
      const error = yield* Effect.flip(
        Stream.runForEach(session.stream(request("select generate_series(1, 5000)")), () =>
          Effect.zipRight(cut, session.lost)
        )
      )
      expect(error).toMatchObject({ _tag: "ConnectionError", sent: false })
      expect(session.status()).toBe("broken")
    }).pipe(Effect.scoped)
  )
})
