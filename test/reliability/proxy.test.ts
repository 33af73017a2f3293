/** The proxy does what it says, no more and no less: otherwise nothing shown through it is shown. */
import { connect, createServer, type Socket } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import pg from "pg"
import { faults, type LineFault, peace, proxy } from "../support/proxy.js"
import { seeded } from "../support/proxyRandom.js"
import { freshDatabase, query } from "../support/server.js"
import { eventually } from "./world.js"

/** A plain client through the proxy. */
const client = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
      client.on("error", () => undefined)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end().catch(() => undefined))
  )

const setting = Effect.gen(function* () {
  const url = yield* freshDatabase
  yield* query(url, "CREATE TABLE t (n integer)")
  const line = yield* proxy(url)
  const speaking = yield* client(line.through(url))
  const rows = Effect.map(query(url, "SELECT n FROM t ORDER BY n"), (rows) => rows.map(({ n }) => n))
  const say = (text: string | pg.QueryConfig) => Effect.either(Effect.tryPromise(() => speaking.query(text)))
  return { line, url, rows, say }
})

describe("a COMMIT is known", () => {
  for (const [how, commit] of [
    ["as a simple query", "COMMIT"],
    ["in the middle of a script", "INSERT INTO t VALUES (2); COMMIT"],
    // `queryMode` is not declared in @types/pg.
    ["as an unnamed statement", Object.assign({ text: "COMMIT" }, { queryMode: "extended" })],
    ["as a prepared statement", { name: "commit", text: "COMMIT" }]
  ] as const) {
    it.scopedLive(`${how}: it is kept from the server, or its answer from the client`, () =>
      Effect.gen(function* () {
        for (const [fault, there] of [
          ["hole before", false],
          ["hole after", true]
        ] as const) {
          const { line, rows, say } = yield* setting
          line.next(fault)
          yield* say("BEGIN")
          yield* say("INSERT INTO t VALUES (1)")
          yield* Effect.forkScoped(say(commit))
          yield* eventually(
            "the commit",
            Effect.sync(() => (there ? line.counts.committed : line.counts.commits)),
            (n) => n === 1
          )
          expect((yield* rows).includes(1)).toBe(there)
          expect(faults(line.counts)).toEqual({ all: 1, atCommit: 1 })
        }
      })
    )
  }

  it.scopedLive("the word alone is none: in a text, a comment or a savepoint nothing happens", () =>
    Effect.gen(function* () {
      const { line, rows, say } = yield* setting
      line.next("reset before")
      for (const text of [
        "BEGIN",
        "SELECT 'commit'",
        "/* commit */ INSERT INTO t VALUES (1)",
        "SAVEPOINT commit",
        "END"
      ]) {
        yield* say(text)
      }
      expect(line.counts.commits).toBe(1)
      expect(yield* rows).toEqual([])
    })
  )
})

it.scopedLive("a COMMIT that is held waits in front of the server, and goes on when it is let go", () =>
  Effect.gen(function* () {
    const { line, rows, say } = yield* setting
    const held = line.hold()
    yield* say("BEGIN")
    yield* say("INSERT INTO t VALUES (1)")
    const fiber = yield* Effect.forkScoped(say("COMMIT"))
    yield* Effect.promise(() => held.arrived)
    yield* Effect.sleep("50 millis")
    expect(yield* rows).toEqual([])
    held.release()
    expect((yield* fiber)._tag).toBe("Right")
    expect(yield* rows).toEqual([1])
  })
)

/** A server that says everything back, through the proxy. */
const echo = Effect.gen(function* () {
  const seen: { socket: Socket | undefined; bytes: number; ended: string } = { socket: undefined, bytes: 0, ended: "" }
  const server = yield* Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => {
        seen.socket = socket
        socket.on("data", (chunk) => {
          seen.bytes += chunk.length
          socket.write(chunk)
        })
        socket.on("error", () => {
          seen.ended = "reset"
        })
        socket.on("close", () => {
          seen.ended ||= "end"
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        seen.socket?.destroy()
        server.close()
      })
  )
  const address = server.address()
  const line = yield* proxy(`postgresql://127.0.0.1:${typeof address === "object" ? address?.port : ""}/none`)
  line.plan = peace
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(line.through("postgresql://x:1/y")).port) })
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  const heard = { bytes: 0, ended: "" }
  socket.on("data", (chunk) => {
    heard.bytes += chunk.length
  })
  socket.on("error", () => {
    heard.ended = "reset"
  })
  socket.on("close", () => {
    heard.ended ||= "end"
  })
  // A startup message: length, protocol, and nothing more.
  const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0])
  const message = (length: number) => {
    const bytes = Buffer.alloc(length + 1, "x")
    bytes.write("d")
    bytes.writeInt32BE(length, 1)
    return bytes
  }
  socket.write(startup)
  const until = (what: string, done: () => boolean) => eventually(what, Effect.sync(done), (yes) => yes)
  yield* until("the startup", () => seen.bytes === 9)
  return { line, socket, seen, heard, message, until }
})

describe("a line", () => {
  for (const fault of ["cut", "reset"] as const) {
    it.scopedLive(`${fault}: both sides see it`, () =>
      Effect.gen(function* () {
        const { heard, line, seen, until } = yield* echo
        line.all(fault)
        yield* until("both ends", () => seen.ended !== "" && heard.ended !== "")
        if (fault === "reset") expect([seen.ended, heard.ended]).toEqual(["reset", "reset"])
        expect(line.links.size).toBe(0)
      })
    )
  }

  it.scopedLive("lost: the client sees it reset, the server nothing", () =>
    Effect.gen(function* () {
      const { heard, line, seen, until } = yield* echo
      line.all("lose")
      yield* until("the client's end", () => heard.ended === "reset")
      yield* Effect.sleep("100 millis")
      expect(seen.ended).toBe("")
      line.linger = 0
    })
  )

  it.scopedLive("holed: nobody sees anything, nothing passes", () =>
    Effect.gen(function* () {
      const { heard, line, message, seen, socket } = yield* echo
      line.all("hole")
      socket.write(message(50))
      yield* Effect.sleep("100 millis")
      expect([seen.bytes, seen.ended, heard.ended]).toEqual([9, "", ""])
    })
  )

  for (const [fault, bytes] of [
    ["cut within request", 30],
    ["cut within request", 0],
    ["cut within request", 51],
    ["cut within request", 70]
  ] as ReadonlyArray<readonly [LineFault, number]>) {
    it.scopedLive(`${fault}: after ${bytes} bytes, wherever that is in a message`, () =>
      Effect.gen(function* () {
        const { heard, line, message, seen, socket, until } = yield* echo
        line.amount = () => bytes
        line.all(fault)
        socket.write(Buffer.concat([message(50), message(50)]))
        yield* until("both ends", () => seen.ended !== "" && heard.ended !== "")
        expect(seen.bytes).toBe(9 + bytes)
      })
    )
  }

  it.scopedLive("delayed: it comes later, whole and in order", () =>
    Effect.gen(function* () {
      const { line, message, seen, socket, until } = yield* echo
      line.amount = () => 200
      line.all("delay")
      const from = performance.now()
      socket.write(Buffer.concat([message(50), message(50), message(50)]))
      yield* until("all of it", () => seen.bytes === 9 + 3 * 51)
      expect(performance.now() - from).toBeGreaterThan(150)
    })
  )
})

it("the same seed gives the same chance", () => {
  const draw = (seed: number) => {
    const random = seeded(seed)
    return Array.from({ length: 50 }, () => random.between(1, 1000))
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  expect(Math.min(...draw(7))).toBeGreaterThanOrEqual(1)
  expect(Math.max(...draw(7))).toBeLessThanOrEqual(1000)
})
