/**
 * URLs of the PostgreSQL family, read as libpq reads them, and where it would refuse, as `pg` does: the last `@` ends the
 * credentials, so that a password may hold one. What remains ambiguous is refused with a word on percent-encoding.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import type { Host, TargetSession } from "../DatabaseConfig.js"
import { oneOf } from "./decoder.js"
import { sslMode, urlNames } from "./tlsMode.js"
import type { Parsed } from "./url.js"
import { badPercent, decodePercent, parseQuery, remaining } from "./urlQuery.js"

const encodeThem = "encode @ as %40, : as %3A, / as %2F and ? as %3F in users and passwords"

/** libpq's words. @since 0.1.0 @category decoders */
export const targetSession = oneOf<Exclude<TargetSession, "prefer-primary">>({
  any: [],
  "read-write": [],
  "read-only": [],
  primary: [],
  standby: [],
  "prefer-standby": []
})

/** The port of `text`, `undefined` where it is none. @since 0.1.0 @category parsing */
export const parsePort = (text: string): number | undefined => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}

interface Pieces {
  readonly credentials: string | undefined
  readonly hosts: string
  readonly path: string | undefined
  readonly query: string
}

/** `credentials@hosts/path?query`; the credentials end at the last `@` before the first `/` (or `?`, if one is there). */
const split = (rest: string): Pieces => {
  const end = (text: string, stop: RegExp): string => text.slice(0, text.search(stop))
  const toSlash = end(rest, /\/|$/)
  const toMark = end(toSlash, /\?|$/)
  const at = toMark.includes("@") ? toMark.lastIndexOf("@") : toSlash.lastIndexOf("@")
  const credentials = at < 0 ? undefined : rest.slice(0, at)
  const behind = rest.slice(at + 1)
  const hosts = end(behind, /[/?]|$/)
  const tail = behind.slice(hosts.length)
  const mark = tail.indexOf("?")
  const path = mark < 0 ? tail : tail.slice(0, mark)
  return {
    credentials,
    hosts,
    path: path === "" ? undefined : path.slice(1),
    query: mark < 0 ? "" : tail.slice(mark + 1)
  }
}

const parseHost = (text: string, position: string, standardPort: number, problems: Array<string>): Host => {
  const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[^\]]+)?)\](?::(.*))?$/.exec(text)
  const colon = text.lastIndexOf(":")
  const [name, port] =
    bracketed !== null
      ? [bracketed[1] ?? "", bracketed[2]]
      : colon < 0
        ? [text, undefined]
        : [text.slice(0, colon), text.slice(colon + 1)]
  const host = decodePercent(name)
  if (host === undefined) problems.push(badPercent("host"))
  else if (bracketed === null && name.includes(":")) {
    problems.push(
      `${position}: an IPv6 address stands in brackets, as in [::1]:5432; or a password is not encoded: ${encodeThem}`
    )
  } else if (/[\s[\]@]/.test(host)) problems.push(`${position}: expected a host name, an address or a socket's folder`)
  const number = port === undefined || port === "" ? standardPort : parsePort(port)
  if (number === undefined) {
    problems.push(
      `${position}: expected a port from 1 to 65535 behind the colon; if a password stands there, ${encodeThem}`
    )
  }
  return { host: host === undefined || host === "" ? "localhost" : host, port: number ?? standardPort }
}

/**
 * Hosts and ports as two lists (query parameters, variables): one port for all, or one each.
 *
 * @since 0.1.0
 * @category parsing
 */
export const pairHosts = (
  hosts: string,
  ports: string | undefined,
  standardPort: number,
  problems: Array<string>
): ReadonlyArray<Host> => {
  const names = hosts.split(",").map((name) => name.trim().replace(/^\[(.*)\]$/, "$1"))
  const numbers = (ports ?? "").split(",").map((port) => port.trim())
  if (numbers.length !== 1 && numbers.length !== names.length) {
    problems.push(`expected one port, or one for each of the ${names.length} hosts, found ${numbers.length}`)
  }
  return names.map((host, index) => {
    const text = numbers[numbers.length === 1 ? 0 : index] ?? ""
    const port = text === "" ? standardPort : parsePort(text)
    if (port === undefined) problems.push("expected a port from 1 to 65535")
    return { host: host === "" ? "localhost" : host, port: port ?? standardPort }
  })
}

const consumed = new Set([
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "target_session_attrs",
  "ssl",
  ...Object.values(urlNames)
])

/**
 * `rest` is what follows `postgres://`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const serverUrl = (rest: string, standardPort: number): Parsed => {
  const problems: Array<string> = []
  const pieces = split(rest)
  // A raw @ behind the first slash: an unencoded slash or mark in the password has moved every border.
  if (pieces.path?.includes("@") || (pieces.credentials === undefined && pieces.query.includes("@"))) {
    return Either.left([`there is an @ behind the host; ${encodeThem}`])
  }
  const part = (text: string | undefined, what: string): string | undefined => {
    const decoded = text === undefined ? "" : decodePercent(text)
    if (decoded === undefined) problems.push(badPercent(what))
    return decoded === "" ? undefined : decoded
  }
  const colon = pieces.credentials?.indexOf(":") ?? -1
  const query = parseQuery(pieces.query, problems)
  const user = query.get("user") ?? part(colon < 0 ? pieces.credentials : pieces.credentials?.slice(0, colon), "user")
  const password =
    query.get("password") ?? part(colon < 0 ? undefined : pieces.credentials?.slice(colon + 1), "password")
  const database = query.get("dbname") ?? part(pieces.path, "database name") ?? user ?? "postgres"

  const parts = pieces.hosts.split(",")
  const queried = query.get("host")
  const hosts =
    queried !== undefined && queried !== ""
      ? pairHosts(queried, query.get("port") ?? pieces.hosts.split(":")[1], standardPort, problems)
      : query.has("port") && !pieces.hosts.includes(":")
        ? pairHosts(pieces.hosts, query.get("port"), standardPort, problems)
        : parts.map((text, index) =>
            parseHost(
              text,
              parts.length === 1 ? "the host" : `host ${index + 1} of ${parts.length}`,
              standardPort,
              problems
            )
          )

  const word = query.get("target_session_attrs")
  const session = word === undefined ? "any" : targetSession.decode(word, "seconds")
  if (session === undefined) problems.push(`target_session_attrs: expected ${targetSession.expected}`)
  const modeText = query.get("sslmode") ?? query.get("ssl")
  const mode = modeText === undefined ? undefined : sslMode.decode(modeText, "seconds")
  if (modeText !== undefined && mode === undefined) problems.push(`sslmode: expected ${sslMode.expected}`)

  if (Arr.isNonEmptyReadonlyArray(problems)) return Either.left(Arr.dedupe(problems))
  return Either.right({
    driver: "postgres",
    hosts,
    database,
    user,
    password,
    tls: {
      mode,
      rootCert: query.get("sslrootcert") || undefined,
      cert: query.get("sslcert") || undefined,
      key: query.get("sslkey") || undefined,
      passphrase: query.get("sslpassword") || undefined
    },
    targetSession: session ?? "any",
    parameters: remaining(query, consumed)
  })
}
