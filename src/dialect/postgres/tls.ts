/**
 * The ways one host is tried, in order: in the clear or with TLS, as libpq's `sslmode` has it (`model/config/tls.ts`). A certificate
 * that cannot be read will not be readable the next time: no connection lost, but none to be had.
 *
 * @since 0.1.0
 */
import { readFile } from "node:fs/promises"
import type { ConnectionOptions } from "node:tls"
import * as Effect from "effect/Effect"
import { tlsOptions } from "../../model/config/tls.js"
import type { Tls } from "../../model/DatabaseConfig.js"
import { AuthenticationError } from "../../model/DatabaseError.js"

/** How one attempt travels: in the clear, or with these options. @since 0.1.0 @category models */
export type Encryption = false | ConnectionOptions

/** What is tried, in order; never empty. @since 0.1.0 @category conversions */
export const attempts = (
  tls: Tls,
  host: string
): Effect.Effect<readonly [Encryption, ...ReadonlyArray<Encryption>], AuthenticationError> =>
  tlsOptions(tls, host, (path) => Effect.tryPromise(() => readFile(path))).pipe(
    Effect.mapError((cause) => new AuthenticationError({ operation: "connect", reason: `TLS: ${cause}`, cause })),
    Effect.map(({ fallback, options, tryFirst }) => {
      const [first, second] = tryFirst === "tls" ? [options, false as const] : [false as const, options]
      return fallback ? [first, second] : [first]
    })
  )
