/** A request's transaction: what of it stays, by how the request ended. */

import { connect } from "node:net"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Database, Pool, Transaction } from "effect-aquifer"
import { DatabaseHttp } from "effect-aquifer/http"
import { postgres, sqlite } from "../contract/products.js"
import { proxy } from "../support/proxy.js"
import { freshDatabase, query } from "../support/server.js"
import { atRest, rest, serve } from "./support.js"

const sql = SqlClient.SqlClient

const table = Effect.flatMap(sql, (sql) => sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`)
const insert = (id: number) => Effect.flatMap(sql, (sql) => sql`INSERT INTO t VALUES (${id})`)
const ids = Effect.flatMap(sql, (sql) =>
  Effect.map(sql<{ id: number }>`SELECT id FROM t ORDER BY id`, (rows) => rows.map(({ id }) => id))
)
const post = { method: "POST" }

class Teapot extends Data.TaggedError("Teapot")<{ readonly cause?: unknown }> {}

/** Inserts `id` and goes on. */
const inserting = <E, R>(id: number, end: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.zipRight(insert(id), end)

const answer = (status: number) => Effect.succeed(HttpServerResponse.text("said", { status }))

describe.each([postgres, sqlite])("on $name", (product) => {
  it.scopedLive("stays when the answer is below 400, and goes with every other end", () =>
    Effect.gen(function* () {
      yield* table
      const app = HttpRouter.empty.pipe(
        HttpRouter.post("/ok", inserting(1, answer(201))),
        HttpRouter.post("/elsewhere", inserting(2, answer(303))),
        HttpRouter.post("/refused", inserting(3, answer(404))),
        HttpRouter.post("/broken", inserting(4, answer(500))),
        HttpRouter.post("/fails", inserting(5, Effect.fail(new Teapot({})))),
        HttpRouter.post("/dies", inserting(6, Effect.die("a bug"))),
        HttpRouter.post("/duplicate", inserting(8, Effect.zipRight(insert(1), answer(201)))),
        HttpRouter.use(DatabaseHttp.transactional())
      )
      const call = yield* serve(app)
      const said: Record<string, unknown> = {}
      for (const path of ["ok", "elsewhere", "refused", "broken", "fails", "dies", "duplicate"]) {
        const { body, status } = yield* call(`/${path}`, post)
        said[path] = [status, body]
      }
      expect(said).toEqual({
        ok: [201, "said"],
        elsewhere: [303, "said"],
        refused: [404, "said"],
        broken: [500, "said"],
        fails: [500, ""],
        dies: [500, ""],
        duplicate: [409, ""]
      })
      expect(yield* ids).toEqual([1, 2])
      expect(yield* atRest(yield* Pool.Pool)).toEqual(rest)
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("which answers are worth a COMMIT can be said", () =>
    Effect.gen(function* () {
      yield* table
      const app = HttpRouter.empty.pipe(
        HttpRouter.post("/counted", inserting(1, answer(404))),
        HttpRouter.post("/ok", inserting(2, answer(200))),
        HttpRouter.use(DatabaseHttp.transactional({ commitWhen: ({ status }) => status === 404 }))
      )
      const call = yield* serve(app)
      expect([(yield* call("/counted", post)).status, (yield* call("/ok", post)).status]).toEqual([404, 200])
      expect(yield* ids).toEqual([1])
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("what COMMIT is answered decides the answer: a deferred constraint is a 409, and tells no name", () =>
    Effect.gen(function* () {
      const client = yield* sql
      yield* table
      yield* client`CREATE TABLE child (t INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)`
      const app = HttpRouter.empty.pipe(
        HttpRouter.post("/orphan", Effect.zipRight(client`INSERT INTO child VALUES (99)`, answer(201))),
        HttpRouter.use(DatabaseHttp.transactional())
      )
      const call = yield* serve(app)
      const { body, headers, status } = yield* call("/orphan", post)
      expect([status, body]).toEqual([409, ""])
      expect(JSON.stringify(headers)).not.toMatch(/child|constraint/i)
      expect(yield* client`SELECT * FROM child`).toEqual([])
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("a client that goes away leaves nothing behind, and gives its connection back", () =>
    Effect.gen(function* () {
      yield* table
      const inside = yield* Queue.unbounded<"arrived" | "left">()
      const waits = Effect.onInterrupt(Effect.zipRight(inside.offer("arrived"), Effect.never), () =>
        inside.offer("left")
      )
      const router = HttpRouter.empty.pipe(
        HttpRouter.post("/waits", inserting(1, waits)),
        HttpRouter.get(
          "/host",
          Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => HttpServerResponse.text(headers.host ?? ""))
        )
      )
      for (const app of [
        router.pipe(HttpRouter.use(DatabaseHttp.transactional())),
        router.pipe(DatabaseHttp.transactional())
      ]) {
        const call = yield* serve(app)
        const [host, port] = (yield* call("/host")).body.split(":")
        const socket = connect(Number(port), host)
        socket.on("error", () => undefined)
        socket.write(`POST /waits HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
        expect(yield* inside.take).toBe("arrived")
        expect((yield* (yield* Pool.Pool).status).checkedOut).toBe(1)
        socket.destroy()
        expect(yield* inside.take).toBe("left")
        expect(yield* atRest(yield* Pool.Pool)).toEqual(rest)
        expect(yield* ids).toEqual([])
      }
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("GET may be held to reading", () =>
    Effect.gen(function* () {
      yield* table
      const app = HttpRouter.empty.pipe(
        HttpRouter.get("/writes", inserting(1, answer(200))),
        HttpRouter.post("/writes", inserting(2, answer(200))),
        HttpRouter.get(
          "/reads",
          Effect.map(ids, (ids) => HttpServerResponse.unsafeJson(ids))
        ),
        HttpRouter.use(DatabaseHttp.transactional({ safeMethods: "read only" }))
      )
      const call = yield* serve(app)
      expect((yield* call("/writes")).status).toBe(500)
      expect((yield* call("/writes", { method: "HEAD" })).status).toBe(500)
      expect((yield* call("/writes", post)).status).toBe(200)
      expect((yield* call("/reads")).body).toBe("[2]")
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("a streamed answer is refused before COMMIT", () =>
    Effect.gen(function* () {
      const client = yield* sql
      yield* table
      const rows = client`SELECT id FROM t`.stream.pipe(
        Stream.map((row) => new TextEncoder().encode(JSON.stringify(row))),
        Stream.orDie
      )
      const app = HttpRouter.empty.pipe(
        HttpRouter.post("/rows", inserting(1, Effect.succeed(HttpServerResponse.stream(rows)))),
        HttpRouter.use(DatabaseHttp.transactional())
      )
      const call = yield* serve(app)
      expect((yield* call("/rows", post)).status).toBe(500)
      expect(yield* ids).toEqual([])
    }).pipe(Effect.provide(product.database()))
  )

  it.scopedLive("given to the server as middleware, where answers leave before COMMIT, it lets nothing out", () =>
    Effect.gen(function* () {
      yield* table
      const app = HttpRouter.empty.pipe(HttpRouter.post("/ok", inserting(1, answer(201))))
      const call = yield* serve(app, DatabaseHttp.transactional())
      expect((yield* call("/ok", post)).status).toBe(500)
      expect(yield* ids).toEqual([])
      // Around the app it is in its place, and so is another middleware around that.
      const right = yield* serve(app.pipe(DatabaseHttp.transactional()), HttpMiddleware.xForwardedHeaders)
      expect((yield* right("/ok", post)).status).toBe(201)
      expect((yield* right("/nowhere", post)).status).toBe(404)
      expect(yield* ids).toEqual([1])
    }).pipe(Effect.provide(product.database()))
  )
})

describe("the answer", () => {
  /** The table, a proxy in front of the database, and what the app is served with. */
  const behindProxy = Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    const line = yield* proxy(url)
    return { url, line, database: Database.layer({ url: line.through(url), profile: "development" }) }
  })

  it.scopedLive("waits until COMMIT is answered", () =>
    Effect.gen(function* () {
      const { database, line } = yield* behindProxy
      yield* Effect.gen(function* () {
        const app = HttpRouter.empty.pipe(
          HttpRouter.post("/ok", inserting(1, answer(201))),
          HttpRouter.use(DatabaseHttp.transactional())
        )
        const call = yield* serve(app)
        const held = line.hold()
        let released = false
        const answered = yield* Effect.fork(Effect.map(call("/ok", post), ({ status }) => [status, released]))
        yield* Effect.promise(() => held.arrived)
        // Time enough for an answer that does not wait; one that waits is never too late.
        yield* Effect.sleep("100 millis")
        released = true
        held.release()
        expect(yield* answered).toEqual([201, true])
      }).pipe(Effect.provide(database))
    })
  )

  it.scopedLive("tells what became of a COMMIT whose own answer was lost", () =>
    Effect.gen(function* () {
      const { database, line, url } = yield* behindProxy
      yield* Effect.gen(function* () {
        const app = HttpRouter.empty.pipe(
          HttpRouter.post("/ok", inserting(1, answer(201))),
          HttpRouter.use(DatabaseHttp.transactional())
        )
        const call = yield* serve(app)
        line.next("cut after")
        expect((yield* call("/ok", post)).status).toBe(201)
        expect(line.counts["cut after"]).toBe(1)
        expect(yield* query(url, "SELECT id FROM t")).toEqual([{ id: 1 }])
      }).pipe(Effect.provide(database))
    })
  )
})

it.scopedLive("a session lost under a request is a 503, and the next request is served", () =>
  Effect.gen(function* () {
    const client = yield* sql
    yield* table
    const app = HttpRouter.empty.pipe(
      HttpRouter.post(
        "/cut",
        inserting(1, Effect.zipRight(client`SELECT pg_terminate_backend(pg_backend_pid())`, answer(200)))
      ),
      HttpRouter.post("/ok", inserting(2, answer(201))),
      HttpRouter.use(DatabaseHttp.transactional())
    )
    const call = yield* serve(app)
    const lost = yield* call("/cut", post)
    expect([lost.status, lost.body]).toEqual([503, ""])
    expect((yield* call("/ok", post)).status).toBe(201)
    expect(yield* ids).toEqual([2])
  }).pipe(Effect.provide(postgres.database()))
)

describe("a conflict", () => {
  /** The server's own, in the first run only; what the others of that request have read is told. */
  const conflicting = <E, R>(read: Effect.Effect<string, E, R>, seen: Array<string>) =>
    Effect.gen(function* () {
      const client = yield* sql
      seen.push(yield* read)
      if ((yield* Transaction.attempt) === 1) {
        yield* client.unsafe("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
      }
      return HttpServerResponse.empty({ status: 200 })
    })
  const request = HttpServerRequest.HttpServerRequest
  const decode = (bytes: ArrayBuffer | Uint8Array) => new TextDecoder().decode(bytes)

  it.scopedLive("repeats GET, and nothing that was not said to bear it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const handler = conflicting(Effect.succeed("run"), seen)
      const app = HttpRouter.empty.pipe(HttpRouter.all("/", handler), HttpRouter.use(DatabaseHttp.transactional()))
      const call = yield* serve(app)
      expect((yield* call("/")).status).toBe(200)
      expect(seen.splice(0)).toEqual(["run", "run"])
      const { headers, status } = yield* call("/", post)
      expect([status, headers["retry-after"], seen]).toEqual([503, "1", ["run"]])
    }).pipe(Effect.provide(postgres.database()))
  )

  it.scopedLive("repeats what is answered inside of it as well, and keeps such an answer when nothing helps", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const teapot = Effect.catchAllCause((cause: Cause.Cause<unknown>) =>
        Effect.failCause(Cause.sequential(cause, Cause.die(HttpServerResponse.empty({ status: 418 }))))
      )
      const router = HttpRouter.empty.pipe(
        HttpRouter.get("/once", conflicting(Effect.succeed("run"), seen)),
        HttpRouter.get("/always", Effect.zipLeft(conflicting(Effect.succeed("run"), seen), insert(1)))
      )
      for (const [inside, status] of [
        [DatabaseHttp.answerErrors, 500],
        [DatabaseHttp.transactional(), 500],
        [teapot, 418]
      ] as const) {
        const call = yield* serve(router.pipe(HttpRouter.use(inside), HttpRouter.use(DatabaseHttp.transactional())))
        expect([(yield* call("/once")).status, seen.splice(0)]).toEqual([200, ["run", "run"]])
        // There is no such table.
        expect([(yield* call("/always")).status, seen.splice(0)]).toEqual([status, ["run", "run"]])
      }
    }).pipe(Effect.provide(postgres.database()))
  )

  it.scopedLive("repeats a handler with the body the first run had, however it reads that", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const readers = {
        json: Effect.flatMap(request, ({ json }) => Effect.map(json, JSON.stringify)),
        text: Effect.flatMap(request, ({ text }) => text),
        bytes: Effect.flatMap(request, ({ arrayBuffer }) => Effect.map(arrayBuffer, decode)),
        stream: Effect.flatMap(request, ({ stream }) =>
          Stream.runFold(stream, "", (all, bytes) => all + decode(bytes))
        ),
        "text of bytes": Effect.flatMap(request, ({ arrayBuffer, text }) => Effect.zipRight(arrayBuffer, text))
      }
      const router = HttpRouter.fromIterable(
        Object.entries(readers).map(([name, read]) =>
          HttpRouter.makeRoute("POST", `/${name.replaceAll(" ", "-")}`, conflicting(read, seen))
        )
      )
      const transactional = DatabaseHttp.transactional({ retry: { maxRetries: 2, baseDelay: 0 } })
      for (const [root, app] of [
        ["", HttpRouter.use(router, transactional)],
        // A mounted router's requests are made of the one that came.
        ["/mounted", transactional(HttpRouter.mount(HttpRouter.empty, "/mounted", router))]
      ] as const) {
        const call = yield* serve(app)
        for (const name of Object.keys(readers)) {
          const { status } = yield* call(`${root}/${name.replaceAll(" ", "-")}`, { ...post, body: '{"a":"ä"}' })
          expect([name, status, seen.splice(0)]).toEqual([name, 200, ['{"a":"ä"}', '{"a":"ä"}']])
        }
      }
    }).pipe(Effect.provide(postgres.database()))
  )

  it.scopedLive("a multipart body read part by part fails in the second run instead of waiting for what is gone", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const parts = Effect.flatMap(request, ({ multipartStream }) =>
        Effect.as(Stream.runDrain(multipartStream), "parts")
      )
      const whole = Effect.flatMap(request, ({ multipart }) => Effect.map(multipart, JSON.stringify))
      const router = HttpRouter.empty.pipe(
        HttpRouter.post("/parts", conflicting(parts, seen)),
        HttpRouter.post("/whole", conflicting(whole, seen))
      )
      const call = yield* HttpRouter.empty.pipe(
        HttpRouter.mount("/mounted", router),
        HttpRouter.concat(router),
        DatabaseHttp.transactional({ retry: { maxRetries: 2, baseDelay: 0 } }),
        serve
      )
      const form = {
        ...post,
        headers: { "content-type": "multipart/form-data; boundary=x" },
        body: '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
      }
      for (const root of ["", "/mounted"]) {
        expect([(yield* call(`${root}/parts`, form)).status, seen.splice(0)]).toEqual([500, ["parts"]])
        expect([(yield* call(`${root}/whole`, form)).status, seen.splice(0)]).toEqual([200, ['{"a":"1"}', '{"a":"1"}']])
      }
    }).pipe(Effect.provide([postgres.database(), NodeContext.layer]))
  )
})
