/** The same transaction around an `HttpApi`, whose declared errors are answers of 400 and more. */
import { createServer } from "node:http"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { DatabaseError } from "effect-aquifer"
import { DatabaseHttp } from "effect-aquifer/http"
import { postgres } from "../contract/products.js"
import { ask } from "./support.js"

class Missing extends Schema.TaggedError<Missing>()("Missing", {}) {}

const api = HttpApi.make("api").add(
  HttpApiGroup.make("rows")
    .add(HttpApiEndpoint.post("kept", "/kept").addSuccess(Schema.String))
    .add(HttpApiEndpoint.post("missing", "/missing").addSuccess(Schema.String).addError(Missing, { status: 404 }))
    .add(HttpApiEndpoint.post("late", "/late").addSuccess(Schema.String))
)

const insert = (id: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`INSERT INTO t VALUES (${id})`))

const rows = HttpApiBuilder.group(api, "rows", (handlers) =>
  handlers
    .handle("kept", () => Effect.as(insert(1), "kept"))
    .handle("missing", () => Effect.zipRight(insert(2), new Missing()))
    // The constraint is looked at by COMMIT alone.
    .handle("late", () => Effect.as(insert(1), "late"))
)

/** By its type an `HttpApi`'s app cannot fail. The endpoints' own errors pass here all the same, and are answered behind it. */
const transactional = (app: HttpApp.Default) =>
  Effect.catchIf(DatabaseHttp.transactional()(app), DatabaseError.isDatabaseError, (error) =>
    HttpServerResponse.empty({ status: DatabaseHttp.statusOf(error) })
  )

it.scopedLive("an endpoint's declared error rolls back, and what COMMIT says is answered", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE t (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)`
    const context = yield* Layer.build(
      HttpApiBuilder.serve().pipe(
        Layer.provide(HttpApiBuilder.middleware(transactional, { withContext: true })),
        Layer.provide(HttpApiBuilder.api(api).pipe(Layer.provide(rows))),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("no port")
    const said = yield* Effect.forEach(["kept", "missing", "late"], (path) =>
      Effect.promise(() => ask(`http://127.0.0.1:${address.port}/${path}`, { method: "POST" }))
    )
    expect(said.map(({ body, status }) => [status, body])).toEqual([
      [200, '"kept"'],
      [404, '{"_tag":"Missing"}'],
      [409, ""]
    ])
    expect(yield* sql`SELECT id FROM t`).toEqual([{ id: 1 }])
  }).pipe(Effect.provide(postgres.database()))
)
