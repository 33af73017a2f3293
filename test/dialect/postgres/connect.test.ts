import { execFile, spawnSync } from "node:child_process"
import { chmod, chown, mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { postgresCore } from "../../../src/dialect/postgres/index.js"
import { adminUrl, freshDatabase, freshRole, query, scratchServerWith, urlWith } from "../../support/server.js"
import { skip } from "../../support/skip.js"
import { configOf, connectTo, fresh, request, targetOf, value } from "./support.js"

/** A server that does with a connection what it is told, and knows which are open. */
const listener = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Server; readonly port: number; readonly open: Set<Socket>; seen: number }>(
      (resume) => {
        const open = new Set<Socket>()
        const made = { server: createServer(), port: 0, open, seen: 0 }
        made.server.on("connection", (socket) => {
          made.seen++
          open.add(socket)
          socket.on("close", () => open.delete(socket)).on("error", () => undefined)
          socket.resume()
          onConnection(socket)
        })
        made.server.listen(0, "127.0.0.1", () => {
          const address = made.server.address()
          resume(Effect.succeed(Object.assign(made, { port: typeof address === "object" ? (address?.port ?? 0) : 0 })))
        })
      }
    ),
    ({ open, server }) =>
      Effect.async<void>((resume) => {
        for (const socket of open) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )

const at = (port: number) => `postgres://me:canary-password@127.0.0.1:${port}/db`
const until = (condition: () => boolean) =>
  // With a pause: a loop without one keeps sockets from being looked at for seconds.
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("5 seconds")
  )

describe("connecting", () => {
  it.live("a port where nothing listens is a ConnectionError that says what to look at", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.scoped(listener(() => undefined))
      const error = yield* Effect.flip(connectTo(at(port)))
      expect(error).toMatchObject({ _tag: "ConnectionError", phase: "connect", sent: false, operation: "connect" })
      expect(error.message).toContain(`nothing listens on 127.0.0.1:${port}`)
      expect(error.message).toContain("Is the server running, is the port right?")
      expect(JSON.stringify(error)).not.toContain("canary-password")
    }).pipe(Effect.scoped)
  )

  it.live("a server that accepts and says nothing is given up at the connect timeout, its socket closed", () =>
    Effect.gen(function* () {
      const hole = yield* listener(() => undefined)
      const error = yield* Effect.flip(connectTo(at(hole.port), { connectTimeout: Duration.millis(150) }))
      expect(error).toMatchObject({ _tag: "ConnectionError", phase: "connect", sent: false })
      expect(error.message).toContain("within 150ms")
      yield* until(() => hole.seen === 1 && hole.open.size === 0)
    }).pipe(Effect.scoped)
  )

  it.live("a server that hangs up, and one that speaks something else, are typed failures", () =>
    Effect.gen(function* () {
      const rude = yield* listener((socket) => socket.end())
      expect((yield* Effect.flip(connectTo(at(rude.port))))._tag).toBe("ConnectionError")
      const resets = yield* listener((socket) => socket.resetAndDestroy())
      expect((yield* Effect.flip(connectTo(at(resets.port))))._tag).toBe("ConnectionError")
      const http = yield* listener((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
      expect((yield* Effect.flip(connectTo(at(http.port))))._tag).toBe("ConnectionError")
    }).pipe(Effect.scoped)
  )

  it.live("interruption at any moment of connecting leaks no socket", () =>
    Effect.gen(function* () {
      const hole = yield* listener(() => undefined)
      for (let delay = 0; delay < 20; delay++) {
        const connecting = yield* Effect.fork(
          Effect.scoped(connectTo(at(hole.port), {}, { tls: { mode: delay % 2 === 0 ? "disable" : "require" } }))
        )
        yield* delay < 4 ? Effect.yieldNow() : Effect.sleep(Duration.millis(delay / 4))
        yield* Fiber.interrupt(connecting)
      }
      yield* until(() => hole.open.size === 0)
      const url = yield* freshDatabase
      const name = new URL(url).pathname.slice(1)
      for (let delay = 0; delay < 30; delay++) {
        const connecting = yield* Effect.fork(Effect.scoped(Effect.zipRight(connectTo(url), Effect.never)))
        yield* Effect.sleep(Duration.millis(delay / 2))
        yield* Fiber.interrupt(connecting)
      }
      yield* query(adminUrl(), "select 1 from pg_stat_activity where datname = $1", [name]).pipe(
        Effect.repeat({ until: (found) => found.length === 0 }),
        Effect.timeout("5 seconds")
      )
    }).pipe(Effect.scoped)
  )

  it.live("a wrong password, a missing password, an unknown role and an unknown database", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const role = yield* freshRole(url)
      const wrong = yield* Effect.flip(connectTo(urlWith(role.url, { password: "canary-password" })))
      expect(wrong).toMatchObject({ _tag: "AuthenticationError", sqlState: "28P01", operation: "connect" })
      expect(wrong.message).not.toContain("canary-password")
      const none = yield* Effect.flip(connectTo(role.url, {}, { password: undefined }))
      expect(none._tag).toBe("AuthenticationError")
      expect((yield* Effect.flip(connectTo(urlWith(role.url, { user: "nobody_at_all" }))))._tag).toBe(
        "AuthenticationError"
      )
      expect(yield* Effect.flip(connectTo(urlWith(url, { database: "not_there" })))).toMatchObject({
        _tag: "DatabaseNotFound",
        sqlState: "3D000"
      })
      const single = yield* freshRole(url, "CONNECTION LIMIT 0")
      expect(yield* Effect.flip(connectTo(single.url))).toMatchObject({ _tag: "TooManyConnections", sqlState: "53300" })
    }).pipe(Effect.scoped)
  )

  it.live("an unknown host name is a ConnectionError that names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(connectTo("postgres://me@no-such-host.invalid/db"))
      expect(error._tag).toBe("ConnectionError")
      expect(error.message).toContain("no-such-host.invalid")
    }).pipe(Effect.scoped)
  )
})

describe("several hosts", () => {
  it.live("are tried in turn within one limit; a wrong database ends the search", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const { port: closed } = yield* Effect.scoped(listener(() => undefined))
      const hosts = [{ host: "127.0.0.1", port: closed }, ...targetOf(url).hosts]
      const session = yield* connectTo(url, {}, { hosts, targetSession: "read-write" })
      expect(yield* value(session, "select 1")).toBe(1)
      const dead = [
        { host: "127.0.0.1", port: closed },
        { host: "127.0.0.1", port: closed }
      ]
      const error = yield* Effect.flip(connectTo(url, {}, { hosts: dead }))
      expect(error.message).toContain("none of the servers will do")
      const never = yield* listener(() => undefined)
      const backwards = [...targetOf(url).hosts, { host: "127.0.0.1", port: never.port }]
      const missing = yield* Effect.flip(connectTo(urlWith(url, { database: "not_there" }), {}, { hosts: backwards }))
      expect([missing._tag, never.seen]).toEqual(["DatabaseNotFound", 0])
    }).pipe(Effect.scoped)
  )

  it.live("one that is not what target_session_attrs asks for is passed over", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const standby = yield* Effect.flip(connectTo(url, {}, { targetSession: "standby" }))
      expect(standby).toMatchObject({ _tag: "ConnectionError", phase: "connect" })
      expect(standby.message).toContain("not a standby")
      const session = yield* connectTo(url, {}, { targetSession: "prefer-standby" })
      expect(yield* value(session, "select 1")).toBe(1)
      yield* query(url, `alter database "${new URL(url).pathname.slice(1)}" set default_transaction_read_only = on`)
      const error = yield* Effect.flip(connectTo(url, {}, { targetSession: "read-write" }))
      expect(error.message).toContain("read-only")
      yield* connectTo(url, {}, { targetSession: "read-only" })
    }).pipe(Effect.scoped)
  )
})

describe("the server's own word", () => {
  it.live("vitals tell version, recovery and connections", () =>
    Effect.gen(function* () {
      const { session } = yield* fresh()
      const vitals = yield* postgresCore.vitals(session)
      expect(vitals).toMatchObject({
        inRecovery: false,
        maxConnections: expect.any(Number),
        connections: expect.any(Number)
      })
      expect(vitals.version).toMatch(/^\d+/)
    }).pipe(Effect.scoped)
  )
})

const run = promisify(execFile)

const withoutOpenssl = spawnSync("openssl", ["version"]).status !== 0

/** An authority, and a certificate of it for `localhost`, readable by the server's user. */
const certificates = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "aquifer-tls-"))
    await chmod(folder, 0o755)
    const openssl = (...args: ReadonlyArray<string>) => run("openssl", [...args], { cwd: folder })
    await openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.crt",
      "-subj",
      "/CN=authority",
      "-days",
      "2"
    )
    await openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "server.key",
      "-out",
      "server.csr",
      "-subj",
      "/CN=localhost"
    )
    await openssl(
      "x509",
      "-req",
      "-in",
      "server.csr",
      "-CA",
      "ca.crt",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      "server.crt",
      "-days",
      "2"
    )
    await openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "other.key",
      "-out",
      "other.crt",
      "-subj",
      "/CN=other",
      "-days",
      "2"
    )
    // The server takes a key of its own user at 0600, or of root's at 0640.
    if (process.getuid?.() === 0) {
      const { stdout } = await run("id", ["-g", "nobody"])
      await chown(join(folder, "server.key"), 0, Number(stdout))
      await chmod(join(folder, "server.key"), 0o640)
    }
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

describe("TLS", () => {
  it.live("each sslmode encrypts and verifies what libpq's does, and cancels travel the same way", (test) => {
    skip(test, withoutOpenssl, "needs the openssl command for certificates of its own")
    return Effect.gen(function* () {
      const folder = yield* certificates
      const server = yield* scratchServerWith({
        ssl: "on",
        ssl_cert_file: join(folder, "server.crt"),
        ssl_key_file: join(folder, "server.key")
      })
      const rootCert = join(folder, "ca.crt")
      const wrongRoot = join(folder, "other.crt")
      const named = (host: string) => ({ hosts: [{ host, port: server.port }] })
      const encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
      const asked = (tls: Parameters<typeof targetOf>[1] & object) =>
        Effect.scoped(
          Effect.flatMap(postgresCore.connect(configOf(targetOf(server.url, tls)), "writer"), (session) =>
            value(session, encrypted)
          )
        )
      expect(yield* asked({ tls: { mode: "disable" } })).toBe(false)
      expect(yield* asked({ tls: { mode: "allow" } })).toBe(false)
      expect(yield* asked({ tls: { mode: "prefer" } })).toBe(true)
      expect(yield* asked({ tls: { mode: "require" } })).toBe(true)
      expect(yield* asked({ tls: { mode: "verify-ca", rootCert }, ...named("127.0.0.1") })).toBe(true)
      expect(yield* asked({ tls: { mode: "verify-full", rootCert }, ...named("localhost") })).toBe(true)
      // An authority that is named is believed or not in every mode; the weaker ones then go in the clear, as libpq's do.
      expect(yield* asked({ tls: { mode: "prefer", rootCert: wrongRoot } })).toBe(false)
      expect(yield* asked({ tls: { mode: "prefer", rootCert } })).toBe(true)
      const refusals = [
        { tls: { mode: "verify-full", rootCert } as const, ...named("127.0.0.1") },
        { tls: { mode: "verify-ca", rootCert: wrongRoot } as const },
        { tls: { mode: "require", rootCert: wrongRoot } as const },
        { tls: { mode: "verify-full", rootCert: join(folder, "missing.crt") } as const }
      ]
      for (const refusal of refusals) {
        // Not a lost connection: whoever retries those must not retry this.
        expect(yield* Effect.flip(asked(refusal))).toMatchObject({
          _tag: "AuthenticationError",
          recovery: "never",
          operation: "connect"
        })
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* connectTo(
            server.url,
            {},
            { tls: { mode: "verify-full", rootCert }, ...named("localhost") }
          )
          const statement = yield* Effect.fork(Effect.flip(session.run(request("select pg_sleep(30)"))))
          yield* Effect.sleep("20 millis")
          yield* session.cancel
          expect((yield* Fiber.join(statement))._tag).toBe("QueryCanceled")
          expect([session.status(), yield* value(session, "select 1")]).toEqual(["idle", 1])
        })
      )
    }).pipe(Effect.scoped)
  })

  it.live("a server without TLS is met in the clear where sslmode allows it, and refused where not", () =>
    Effect.gen(function* () {
      const url = yield* freshDatabase
      const session = yield* connectTo(url, {}, { tls: { mode: "prefer" } })
      expect(yield* value(session, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")).toBe(false)
      const error = yield* Effect.flip(connectTo(url, {}, { tls: { mode: "require" } }))
      expect(error._tag).toBe("ConnectionError")
      expect(error.message).toContain("does not support SSL")
    }).pipe(Effect.scoped)
  )
})
