/**
 * Which databases are meant: the URL, or the parts in its place, and the replicas, with TLS decided over both.
 *
 * @since 0.1.0
 */
import { accessSync, constants, statSync } from "node:fs"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { Target } from "../DatabaseConfig.js"
import * as Decoder from "./decoder.js"
import { found, invalid, missing, shownPath } from "./problem.js"
import type { Reader } from "./source.js"
import { decideTls, type RawTls, sslMode, systemRoots, urlNames } from "./tlsMode.js"
import { type Draft, parse, toTarget } from "./url.js"
import { pairHosts } from "./urlServer.js"

const type = Decoder.oneOf({
  postgres: ["postgresql", "pg"],
  cockroachdb: ["cockroach", "crdb"],
  sqlite: ["sqlite3"],
  pglite: []
})
const name = Decoder.text("the name of the database, or its file")
const host = Decoder.text("a host name, an address or a socket's folder", (text) => !/[\s@]|:\/\//.test(text))
const port = Decoder.text("a port from 1 to 65535, or one for each host with commas", (text) => /^[\d, ]+$/.test(text))
const path = Decoder.text("the path of a file")

const fileName = (text: string): string => (text === ":memory:" || /\.[A-Za-z0-9]+$/.test(text) ? text : `${text}.db`)

const fromParts = (reader: Reader): Draft | undefined => {
  const { problems, source } = reader
  const said = (["parts.type", "parts.name", "parts.host"] as const).filter((key) => source.get(key) !== undefined)
  if (said.length === 0) {
    problems.push(
      missing(
        source.nameOf("url"),
        `expected a URL such as postgres://user:password@host:5432/database or sqlite:file.db, or its parts (${source.nameOf("parts.type")}, ${source.nameOf("parts.name")} …)`
      )
    )
    return undefined
  }
  const kind = reader.read("parts.type", type) ?? (said.includes("parts.host") ? "postgres" : undefined)
  if (kind === undefined && !said.includes("parts.type")) {
    problems.push(missing(source.nameOf("parts.type"), `expected ${type.expected}`))
  }
  const database = reader.read("parts.name", name)
  if (!said.includes("parts.name")) problems.push(missing(source.nameOf("parts.name"), `expected ${name.expected}`))
  if (kind === "sqlite" || kind === "pglite") {
    // Host, port, user and password may stay where only the type changes between machines; they mean nothing here.
    const file = database ?? ":memory:"
    return {
      driver: kind,
      hosts: [],
      database: kind === "sqlite" ? fileName(file) : file,
      tls: {},
      targetSession: "any",
      parameters: {}
    }
  }
  const hosts = reader.read("parts.host", host)
  const ports = reader.read("parts.port", port)
  const told: Array<string> = []
  const pairs = pairHosts(hosts ?? "localhost", ports, kind === "cockroachdb" ? 26257 : 5432, told)
  for (const message of new Set(told)) {
    const entry = source.get("parts.port")
    problems.push(invalid(entry?.name ?? source.nameOf("parts.port"), `${message}; ${found(entry?.value)}`))
  }
  return {
    driver: "postgres",
    ...(kind === "cockroachdb" ? { product: kind } : {}),
    hosts: pairs,
    database: database ?? "",
    tls: { mode: reader.read("parts.ssl", sslMode) },
    targetSession: "any",
    parameters: {}
  }
}

const fromUrl = (reader: Reader, url: string, where: string): Draft | undefined => {
  const parsed = parse(url)
  if (Either.isRight(parsed)) return parsed.right
  for (const message of parsed.left) reader.problems.push(invalid(where, message))
  return undefined
}

/** What is wrong with a file that TLS needs, if anything. */
const fileProblem = (file: string): string | undefined => {
  try {
    accessSync(file, constants.R_OK)
    return statSync(file).isFile() ? undefined : "is no file"
  } catch (error) {
    // Node's file errors have a code; whatever else comes is told without details.
    const code = (error as { readonly code?: unknown }).code
    return code === "ENOENT" || code === "ENOTDIR"
      ? "does not exist"
      : code === "EACCES"
        ? "may not be read by this user"
        : "cannot be read"
  }
}

/** Variables over URL, checked together; each problem under the name its value came by. */
const withTls = (reader: Reader, draft: Draft, over: RawTls, where: string): Target => {
  const raw = { ...draft.tls, ...over }
  const { problems, tls } = decideTls(raw)
  if (draft.driver !== "postgres") return toTarget(draft, tls)
  const place = (field: keyof RawTls) =>
    over[field] === undefined
      ? { name: where, prefix: `${urlNames[field]}: ` }
      : { name: reader.source.get(`tls.${field}`)?.name ?? where, prefix: "" }
  for (const [field, message] of problems) {
    const { name, prefix } = place(field)
    reader.problems.push(invalid(name, `${prefix}${message}`))
  }
  for (const field of ["rootCert", "cert", "key"] as const) {
    const file = tls[field]
    if (file === undefined || (field === "rootCert" && file === systemRoots)) continue
    const problem = fileProblem(file)
    const { name, prefix } = place(field)
    if (problem !== undefined) reader.problems.push(invalid(name, `${prefix}the file ${shownPath(file)} ${problem}`))
  }
  return toTarget(draft, tls)
}

const urls = (value: unknown): ReadonlyArray<unknown> =>
  typeof value === "string" ? value.split(/\s+/).filter((url) => url !== "") : Array.isArray(value) ? value : [value]

/** @since 0.1.0 @category models */
export interface Targets {
  readonly target: Target
  readonly replicas: ReadonlyArray<Target>
}

/**
 * Every target; `undefined` where there is none, then the problems are noted.
 *
 * @since 0.1.0
 * @category decoding
 */
export const readTargets = (reader: Reader): Targets | undefined => {
  const { problems, source } = reader
  const entry = source.get("url")
  const url = reader.secret("url")
  const where = entry?.name ?? source.nameOf("parts.host")
  const draft = url !== undefined ? fromUrl(reader, url, where) : entry === undefined ? fromParts(reader) : undefined
  const over: RawTls = Object.fromEntries(
    Object.entries({
      mode: reader.read("tls.mode", sslMode),
      rootCert: reader.read("tls.rootCert", path),
      cert: reader.read("tls.cert", path),
      key: reader.read("tls.key", path),
      passphrase: reader.secret("tls.passphrase")
    }).filter(([, value]) => value !== undefined)
  )
  const user = reader.read("parts.user", Decoder.text("the name of a role"))
  const password = reader.secret("parts.password")
  const primary =
    draft?.driver === "postgres"
      ? {
          ...draft,
          database: draft.database === "" ? (user ?? "postgres") : draft.database,
          user: draft.user ?? user,
          password: draft.password ?? password
        }
      : draft
  const replicas = source.get("replicaUrls")
  const replicaTargets: Array<Target> = []
  for (const [index, replica] of urls(replicas?.value ?? []).entries()) {
    const name = `${replicas?.name ?? "replicaUrls"}[${index}]`
    const text = Redacted.isRedacted(replica) ? Redacted.value(replica) : replica
    if (typeof text !== "string") {
      problems.push(invalid(name, "expected a URL"))
      continue
    }
    const parsed = fromUrl(reader, text, name)
    if (parsed === undefined) continue
    if (parsed.driver !== "postgres")
      problems.push(invalid(name, "expected a postgres:// or cockroachdb:// URL: only those have replicas"))
    else {
      // As for the primary: what the URL leaves out is said beside it.
      const draft = { ...parsed, user: parsed.user ?? user, password: parsed.password ?? password }
      replicaTargets.push(withTls(reader, draft, over, name))
    }
  }
  if (primary === undefined) return undefined
  if (replicaTargets.length > 0 && primary.driver !== "postgres") {
    problems.push(invalid(replicas?.name ?? "replicaUrls", `a ${primary.driver} database has no replicas; remove it`))
  }
  return { target: withTls(reader, primary, over, where), replicas: replicaTargets }
}
