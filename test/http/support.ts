/** A real HTTP server on the loopback, and a client of it that keeps nothing to itself. */
import { createServer, type IncomingHttpHeaders, type RequestOptions, request } from "node:http"
import type * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Pool } from "effect-aquifer"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request on a connection of its own. */
export const ask = (
  url: string,
  { body, ...options }: RequestOptions & { readonly body?: string } = {}
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, ...options }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    sent.on("error", reject)
    sent.end(body)
  })

/** Serves the app until the scope ends; its address. */
export const serve = <E, R>(app: HttpApp.Default<E, R>, middleware?: HttpMiddleware.HttpMiddleware) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
    const { address } = Context.get(context, HttpServer.HttpServer)
    const served = middleware === undefined ? HttpServer.serveEffect(app) : HttpServer.serveEffect(app, middleware)
    yield* Effect.provide(served, context)
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("no port")
    const root = `http://127.0.0.1:${address.port}`
    return (path: string, options?: Parameters<typeof ask>[1]) => Effect.promise(() => ask(root + path, options))
  })

/** What the pool holds once it has come to rest, or has had ample time to. */
export const atRest = (pool: Pool.Pool) =>
  Effect.gen(function* () {
    for (let turn = 0; ; turn++) {
      const { checkedOut, waiting } = yield* pool.status
      if (checkedOut + waiting === 0 || turn === 500) return { checkedOut, waiting }
      yield* Effect.sleep("10 millis")
    }
  })

export const rest = { checkedOut: 0, waiting: 0 }
