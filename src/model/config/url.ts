/**
 * Database URLs as people have them: those of libpq, SQLAlchemy, `pg`, SQLite and Prisma. Refuses an unknown scheme and
 * whatever is ambiguous. No problem ever quotes a part of a URL: a misplaced `@`, `/` or `:` may make any part of it the
 * password.
 *
 * @since 0.1.0
 */

import * as Arr from "effect/Array"
import type { ConfigError } from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { Driver, Host, Target, TargetSession } from "../DatabaseConfig.js"
import { invalid, toConfigError } from "./problem.js"
import { decideTls, type RawTls, urlNames } from "./tlsMode.js"
import { fileUrl } from "./urlFile.js"
import { serverUrl } from "./urlServer.js"

/** A target whose TLS is still undecided, because variables beside the URL may say more. @since 0.1.0 @category models */
export interface Draft {
  readonly driver: Driver
  readonly product?: Target["product"]
  readonly hosts: ReadonlyArray<Host>
  readonly database: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly tls: RawTls
  readonly targetSession: TargetSession
  readonly parameters: Readonly<Record<string, string>>
}

/** A draft, or every sentence that says why it is none. @since 0.1.0 @category models */
export type Parsed = Either.Either<Draft, Arr.NonEmptyReadonlyArray<string>>

const serverPorts: Readonly<Record<string, number>> = {
  postgres: 5432,
  postgresql: 5432,
  cockroachdb: 26257,
  cockroach: 26257
}
const serverProducts: Readonly<Record<string, Target["product"]>> = {
  cockroachdb: "cockroachdb",
  cockroach: "cockroachdb"
}
const fileDrivers: Readonly<Record<string, Driver>> = {
  sqlite: "sqlite",
  sqlite3: "sqlite",
  file: "sqlite",
  pglite: "pglite"
}

const known =
  "postgres://, postgresql://, cockroachdb://, sqlite:path, sqlite::memory:, file:path, pglite:path, pglite::memory:"
const expected = `expected a URL such as postgres://user:password@host:5432/database or sqlite:file.db (known are ${known})`

/** Environment files of some tools keep the quotes. */
const unquote = (text: string): string => /^(["'])(.*)\1$/s.exec(text)?.[2] ?? text

/**
 * A URL taken apart, purely. Driver names as SQLAlchemy writes them (`postgresql+asyncpg://`) are dropped.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (input: string): Parsed => {
  const text = unquote(input.trim())
  if (text === "") return Either.left([expected])
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are exactly what must not be there
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    return Either.left(["the URL holds a line break or another control character; remove it"])
  }
  const match = /^([A-Za-z][A-Za-z0-9.-]*)(?:\+[A-Za-z0-9_-]+)?:(\/\/)?(.*)$/.exec(text)
  const scheme = (match?.[1] ?? "").toLowerCase()
  const slashes = match?.[2] !== undefined
  const rest = match?.[3] ?? ""
  const port = Object.hasOwn(serverPorts, scheme) ? serverPorts[scheme] : undefined
  if (port !== undefined) {
    return slashes
      ? Either.map(serverUrl(rest, port), (draft) => ({ ...draft, product: serverProducts[scheme] }))
      : Either.left([`expected // behind "${scheme}:", as in ${scheme}://host/database`])
  }
  const driver = Object.hasOwn(fileDrivers, scheme) ? fileDrivers[scheme] : undefined
  if (driver !== undefined) return fileUrl(driver, scheme, slashes, rest)
  // Without the slashes it may be `user:password@host`, so that even the scheme is none to show.
  return Either.left([slashes ? `unknown scheme "${scheme}://"; known are ${known}` : expected])
}

/** A draft with its TLS decided. @since 0.1.0 @category conversions */
export const toTarget = (draft: Draft, tls: Target["tls"]): Target => ({
  driver: draft.driver,
  ...(draft.product === undefined ? {} : { product: draft.product }),
  hosts: draft.hosts,
  database: draft.database,
  ...(draft.user === undefined ? {} : { user: draft.user }),
  ...(draft.password === undefined ? {} : { password: Redacted.make(draft.password) }),
  tls: draft.driver === "postgres" ? tls : { mode: "disable" },
  targetSession: draft.targetSession,
  parameters: draft.parameters
})

/**
 * A URL as a `Target`, or every problem it has. Reads no file and no environment.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseUrl = (url: string | Redacted.Redacted<string>, name = "url"): Either.Either<Target, ConfigError> => {
  const parsed = parse(Redacted.isRedacted(url) ? Redacted.value(url) : url)
  if (Either.isLeft(parsed)) {
    return Either.left(toConfigError(Arr.map(parsed.left, (message) => invalid(name, message))))
  }
  const { problems, tls } = decideTls(parsed.right.tls)
  return Arr.isNonEmptyReadonlyArray(problems)
    ? Either.left(toConfigError(Arr.map(problems, ([field, text]) => invalid(name, `${urlNames[field]}: ${text}`))))
    : Either.right(toTarget(parsed.right, tls))
}
