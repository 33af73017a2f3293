/** Lanes on scripted connections, with a clock that stands still until it is set: which way each statement travelled. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import * as SharedLane from "../../src/connection/SharedLane.js"
import type { Dialect, Request } from "../../src/Dialect.js"
import * as ScriptedConnection from "../../src/testing/ScriptedConnection.js"
import { ScriptedServer } from "../../src/testing/ScriptedServer.js"
import { settle } from "../transaction/support.js"

export interface Clock {
  now: number
}

const kind: Dialect["kind"] = (text) =>
  /^\s*select\b/i.test(text) ? "read" : /^\s*(set|begin)\b/i.test(text) ? "session" : "write"

/** Five connections of a pool and the lanes beside it. */
export const lanes = (
  options: ScriptedConnection.Options = {},
  rules: Partial<SharedLane.Rules> = {},
  differs: Partial<Dialect> = {}
) =>
  Effect.gen(function* () {
    const server = new ScriptedServer()
    const clock: Clock = { now: 0 }
    const riders = new Set<number>()
    const requests: Array<Request> = []
    const scripted = ScriptedConnection.dialect(server, {
      kind,
      leaves: (text) => /^\s*set\b/i.test(text),
      ...differs
    })
    const dialect: Dialect = {
      ...scripted,
      connect: (config, role) =>
        Effect.map(scripted.connect(config, role), (connection) => {
          const session = server.count("connect")
          if (role === "reader") riders.add(session)
          let since = 0
          return {
            ...connection,
            busySince: () => since,
            run: (request) => {
              requests.push(request)
              if (connection.pending() === 0) since = clock.now
              return connection.run(request)
            }
          }
        })
    }
    const { pool, ...rest } = options
    const config = ScriptedConnection.config({ pool: { size: 5, ...pool }, ...rest })
    const connections = yield* Connections.make(config, dialect, {
      ...SharedLane.rules,
      now: () => clock.now,
      ...rules
    })
    const sql = yield* Effect.provide(Client.make(connections), Reactivity.layer)
    /** How each text travelled, in order. */
    const ways = (text?: string) =>
      server.events.flatMap(({ session, texts, what }) =>
        what === "send" && (text === undefined || texts.includes(text)) ? [riders.has(session) ? "lane" : "own"] : []
      )
    const status = Effect.map(connections.pool.status, ({ lanes }) => {
      if (lanes === undefined) throw new Error("there are no lanes")
      return lanes
    })
    /** Runs a text until it rides: two runs of its own, a third that has the lane opened. */
    const earn = (text: string) => Effect.zipRight(Effect.replicateEffect(sql.unsafe(text), 3), settle)
    return { server, clock, connections, sql, ways, status, earn, requests }
  })
