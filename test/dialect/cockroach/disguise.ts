/**
 * A PostgreSQL server that says it is CockroachDB: a proxy on the loopback that announces `crdb_version` when a session
 * begins, and overlooks the startup parameters PostgreSQL does not know, as CockroachDB does. What stands behind it is
 * PostgreSQL, which shows as much of CockroachDB's dialect as both servers speak: the savepoint, the lease, the catalogue.
 */
import { createServer, connect as dial, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { adminQuery, freshDatabase } from "../../support/server.js"

const sslRequest = 80877103
const startup = 196608

/** What PostgreSQL would refuse the session for. */
const unknown = new Set(["autocommit_before_ddl", "default_int_size"])

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 0, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

export interface Disguise {
  /** As whoever hides it writes it, and as CockroachDB's own scheme has it. */
  readonly postgresql: string
  readonly cockroachdb: string
  /** The startup parameters of each session, in order. */
  readonly sessions: ReadonlyArray<ReadonlyMap<string, string>>
}

const parameters = (body: Buffer): Map<string, string> => {
  const words = body.toString("utf8", 8).split("\0")
  const found = new Map<string, string>()
  for (let i = 0; i + 1 < words.length && words[i] !== ""; i += 2) found.set(words[i] ?? "", words[i + 1] ?? "")
  return found
}

const packet = (given: ReadonlyMap<string, string>): Buffer => {
  const words = [...given].filter(([name]) => !unknown.has(name)).flatMap((pair) => [...pair])
  const body = Buffer.from(`${words.join("\0")}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8, 0)
  head.writeInt32BE(startup, 4)
  return Buffer.concat([head, body])
}

/** Passes bytes on; in front of the first ReadyForQuery it says whose server it is. */
const announcing = (version: string, to: Socket) => {
  let rest = Buffer.alloc(0)
  let said = false
  return (chunk: Buffer) => {
    if (said) return void to.write(chunk)
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const length = rest.readInt32BE(1) + 1
      if (rest[0] === 0x5a) {
        said = true
        to.write(message("S", Buffer.from(`crdb_version\0${version}\0`)))
        to.write(rest)
        return
      }
      to.write(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  }
}

const serve = (client: Socket, target: URL, version: string, sessions: Array<ReadonlyMap<string, string>>) => {
  const server = dial(Number(target.port || 5432), target.hostname)
  for (const [one, other] of [
    [client, server],
    [server, client]
  ] as const) {
    one.on("error", () => other.destroy())
    one.on("close", () => other.destroy())
  }
  client.setNoDelay(true)
  server.setNoDelay(true)
  let begun = false
  let rest = Buffer.alloc(0)
  client.on("data", (chunk: Buffer) => {
    if (begun) return void server.write(chunk)
    rest = Buffer.concat([rest, chunk])
    while (!begun && rest.length >= 8 && rest.length >= rest.readInt32BE(0)) {
      const head = rest.subarray(0, rest.readInt32BE(0))
      rest = rest.subarray(head.length)
      if (head.readInt32BE(4) === sslRequest) client.write("N")
      else {
        begun = true
        if (head.readInt32BE(4) === startup) {
          const given = parameters(head)
          sessions.push(given)
          server.write(packet(given))
        } else server.write(head)
        server.write(rest)
      }
    }
  })
  server.on("data", announcing(version, client))
}

/** The server of `url` in disguise; ends with the scope. */
export const disguised = (
  url: string,
  version = "CockroachDB CCL v25.4.1"
): Effect.Effect<Disguise, Error, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly port: number; readonly sessions: Array<ReadonlyMap<string, string>>; stop: () => void }>(
        (resume) => {
          const target = new URL(url)
          const sockets = new Set<Socket>()
          const sessions: Array<ReadonlyMap<string, string>> = []
          const server = createServer((socket) => {
            sockets.add(socket)
            socket.on("close", () => sockets.delete(socket))
            serve(socket, target, version, sessions)
          })
          const stop = () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed({ port: typeof address === "object" ? (address?.port ?? 0) : 0, sessions, stop }))
          })
        }
      ),
      ({ stop }) => Effect.sync(stop)
    ),
    ({ port, sessions }) => {
      const at = (scheme: string) => {
        const { password, pathname, username } = new URL(url)
        return `${scheme}://${username}:${password}@127.0.0.1:${port}${pathname}`
      }
      return { postgresql: at("postgresql"), cockroachdb: at("cockroachdb"), sessions }
    }
  )

/** An empty database on the run's server, in disguise. */
export const freshDisguise = Effect.flatMap(freshDatabase, (url) => disguised(url))

/** PostgreSQL does not know how CockroachDB drops a database: what is left behind is dropped in its own words. */
export const swept = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const left: Array<string> = []
  const hears = Logger.make(({ message }) => {
    const name = /scratch database (\w+) was not dropped/.exec(String(message))?.[1]
    if (name !== undefined) left.push(name)
  })
  return Effect.ensuring(
    Effect.provide(effect, Logger.replace(Logger.defaultLogger, hears)),
    Effect.suspend(() =>
      Effect.forEach(left, (name) => Effect.orDie(adminQuery(`DROP DATABASE "${name}" WITH (FORCE)`)))
    )
  )
}
