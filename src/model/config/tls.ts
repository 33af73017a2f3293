/**
 * libpq's `sslmode` as data a driver can follow: what to try first, whether the other way is a fallback, and what Node's
 * `tls` needs for it. Only the certificates' files are read, by the caller's own means.
 *
 * @since 0.1.0
 */
import { isIP } from "node:net"
import { type ConnectionOptions, checkServerIdentity } from "node:tls"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { SslMode, Tls } from "../DatabaseConfig.js"
import { type Problem, shownPath, toConfigError, unavailable } from "./problem.js"
import { systemRoots, urlNames } from "./tlsMode.js"

/**
 * How to go about a connection. `fallback`: when the first way is refused (by the server's `N`, a failed handshake or a
 * rejection before authentication has ended), the other may be tried once on a new socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsPlan {
  readonly tryFirst: "tls" | "plain"
  readonly fallback: boolean
  /** For the upgrade of the socket; `false` where TLS is never used. */
  readonly options: ConnectionOptions | false
}

/** PostgreSQL manual, table 34.1 (libpq, SSL mode descriptions). */
const plans: Readonly<Record<SslMode, Omit<TlsPlan, "options">>> = {
  disable: { tryFirst: "plain", fallback: false },
  allow: { tryFirst: "plain", fallback: true },
  prefer: { tryFirst: "tls", fallback: true },
  require: { tryFirst: "tls", fallback: false },
  "verify-ca": { tryFirst: "tls", fallback: false },
  "verify-full": { tryFirst: "tls", fallback: false }
}

const plain: TlsPlan = { tryFirst: "plain", fallback: false, options: false }

/**
 * The plan for one host. A chain is verified whenever an authority is named, as libpq does it (`require` with `sslrootcert`
 * is `verify-ca`); the name in the certificate only with `verify-full`. A Unix socket (`/folder`) never has TLS.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tlsOptions = Effect.fnUntraced(function* (
  tls: Tls,
  host: string,
  readFile: (path: string) => Effect.Effect<string | Uint8Array, unknown>
): Effect.fn.Return<TlsPlan, ConfigError> {
  if (tls.mode === "disable" || host.startsWith("/") || host.startsWith("@")) return plain
  const problems: Array<Problem> = []
  const file = (field: "rootCert" | "cert" | "key") => {
    const path = tls[field]
    return path === undefined || (field === "rootCert" && path === systemRoots)
      ? Effect.succeed(undefined)
      : Effect.catchAll(Effect.map(readFile(path), bytes), (error) => {
          const message = `cannot read the file ${shownPath(path)}; check that it is there and that this user may read it`
          problems.push(unavailable(urlNames[field], message, Cause.fail(error)))
          return Effect.succeed(undefined)
        })
  }
  const ca = yield* file("rootCert")
  const cert = yield* file("cert")
  const key = yield* file("key")
  if (Arr.isNonEmptyReadonlyArray(problems)) return yield* Effect.fail(toConfigError(problems))
  const full = tls.mode === "verify-full"
  const options: ConnectionOptions = {
    host,
    // Server name indication is for names; Node refuses addresses.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: "TLSv1.2",
    rejectUnauthorized: full || tls.mode === "verify-ca" || ca !== undefined,
    // Bound to the configured host: with an address Node would compare with "localhost".
    checkServerIdentity: full ? (_name, peer) => checkServerIdentity(host, peer) : () => undefined,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.passphrase === undefined ? {} : { passphrase: Redacted.value(tls.passphrase) })
  }
  return { ...plans[tls.mode], options }
})

const bytes = (content: string | Uint8Array): string | Buffer =>
  typeof content === "string" ? content : Buffer.from(content)
