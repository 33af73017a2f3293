/** The end of a service: what is under way has its database until it is answered. */
import { createServer } from "node:http"
import { connect } from "node:net"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Database, Health } from "effect-aquifer"
import { DatabaseHttp } from "effect-aquifer/http"
import { freshDatabase, query } from "../support/server.js"
import { ask } from "./support.js"

/** Whether anybody listens; asks for nothing, because a server that is ending might never answer. */
const takes = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.on("connect", () => socket.destroy())
    socket.on("error", () => resume(Effect.succeed(false)))
    socket.on("close", () => resume(Effect.succeed(true)))
  })

it.scopedLive("a request under way is committed and answered before the database is closed", () =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    yield* query(url, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    const inside = yield* Deferred.make<void>()
    const ending = yield* Deferred.make<void>()
    const insert = (id: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO t VALUES (${id})`)
    const handler = insert(1).pipe(
      Effect.zipRight(Deferred.succeed(inside, undefined)),
      Effect.zipRight(Deferred.await(ending)),
      Effect.zipRight(insert(2)),
      Effect.as(HttpServerResponse.empty({ status: 201 }))
    )
    const service = HttpRouter.empty.pipe(
      HttpRouter.post("/", handler),
      HttpRouter.use(DatabaseHttp.transactional()),
      HttpRouter.concat(DatabaseHttp.routes()),
      HttpServer.serve(),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
      Layer.provide(Health.layer()),
      Layer.provide(Database.layer({ url, profile: "development" }))
    )
    const scope = yield* Scope.make()
    const { address } = Context.get(yield* Layer.buildWithScope(service, scope), HttpServer.HttpServer)
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("no port")
    const root = `http://127.0.0.1:${address.port}`
    const answer = yield* Effect.fork(Effect.promise(() => ask(`${root}/`, { method: "POST" })))
    yield* Deferred.await(inside)
    const end = yield* Effect.fork(Scope.close(scope, Exit.void))
    yield* Effect.repeat(Effect.delay(takes(address.port), "5 millis"), { until: (takes) => !takes })
    yield* Deferred.succeed(ending, undefined)
    expect((yield* Fiber.join(answer)).status).toBe(201)
    yield* Fiber.join(end)
    expect(yield* query(url, "SELECT id FROM t ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }])
  })
)
