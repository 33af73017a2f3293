/**
 * Translates what the server or the driver said into the tagged union, once. The server's SQLSTATE decides by table
 * (`sqlState.ts`); sockets, names and certificates by their Node code, with a sentence that says what to look at. The cause
 * stays untouched.
 *
 * @since 0.1.0
 */
import * as DatabaseError from "../../model/DatabaseError.js"
import { standard, type Table, tagOf } from "../sqlState.js"

type Phase = DatabaseError.ConnectionError["phase"]

/** What a server's ErrorResponse becomes in the driver. */
interface ServerError {
  readonly message: string
  readonly code: string
  readonly severity?: string | undefined
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  readonly position?: string | undefined
  readonly where?: string | undefined
  readonly schema?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  readonly constraint?: string | undefined
}

interface NodeError {
  readonly message: string
  readonly code?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
  readonly hostname?: string | undefined
  readonly path?: string | undefined
}

const isServerError = (u: unknown): u is ServerError =>
  u instanceof Error && "severity" in u && "code" in u && typeof u.code === "string" && /^[0-9A-Z]{5}$/.test(u.code)

const isNodeError = (u: unknown): u is NodeError => u instanceof Error && "code" in u && typeof u.code === "string"

/** The first value along `cause` and `AggregateError.errors` that `wanted` accepts. */
const search = <A>(u: unknown, wanted: (u: unknown) => u is A, seen: Set<unknown> = new Set()): A | undefined => {
  if (typeof u !== "object" || u === null || seen.has(u)) return undefined
  seen.add(u)
  if (wanted(u)) return u
  const { cause, errors } = u as { readonly cause?: unknown; readonly errors?: unknown }
  for (const inner of [cause, ...(Array.isArray(errors) ? errors : [])]) {
    const found = search(inner, wanted, seen)
    if (found !== undefined) return found
  }
  return undefined
}

/** How a failure happened, where the operation's name alone does not say it. @since 0.1.0 @category models */
export interface Circumstances {
  readonly phase?: Phase | undefined
  readonly sent?: boolean | undefined
}

const phaseOf = (operation: string): Phase =>
  operation === "connect" ? "connect" : operation === "commit" ? "commit" : "statement"

/** Codes of the server that end the session; nothing behind the statement they answer has run (FACTS: 57P01). */
const endings = new Set(["57P01", "57P02", "57P04", "57P05", "25P03", "25P04"])

/** Whether an answer also ends the session it came on. @since 0.1.0 @category guards */
export const endsSession = (u: unknown): boolean =>
  isServerError(u) && endings.has(u.code) && u.severity !== "ERROR" && u.severity !== "NOTICE"

const text = (value: string | undefined): string | undefined => (value === "" ? undefined : value)

/** The server's detail, and for a COPY the line and column it stopped at, which it says as context. */
const detail = (error: ServerError): string | undefined =>
  text([error.detail, error.where?.startsWith("COPY ") === true ? error.where : ""].filter(Boolean).join("; "))

/** Codes whose class depends on what the server wrote besides. */
const tagFor = (table: Table, error: ServerError): DatabaseError.DatabaseError["_tag"] => {
  if (error.code === "57014" && /(?:statement|transaction) timeout/i.test(error.message)) return "StatementTimeoutError"
  if (error.code === "0A000" && /cached plan/i.test(error.message)) return "StaleStatement"
  return tagOf(table, error.code)
}

/** What the server's sentence leaves out, whatever was being done. */
const meanings: Readonly<Record<string, string>> = {
  // CockroachDB's own: TransactionCommittedWithSchemaChangeFailure (pgwire/pgcode/codes.go).
  XXA00: "The transaction is committed, all but its schema change: look at SHOW JOBS, and do not repeat the rest"
}

const hints: Readonly<Record<string, string>> = {
  "08P01": "Is a pooler in between? DB_POOLER=transaction goes without settings at the start of a session",
  "28000": "Check the user, pg_hba.conf and whether the server wants TLS (sslmode)",
  "28P01": "Check the user and the password",
  "3D000": "Create the database, or check its name in the URL",
  "53300": "Lower the pool sizes of all instances together, or raise max_connections"
}

const fromServer = (
  table: Table,
  error: ServerError,
  operation: string,
  how: Circumstances
): DatabaseError.DatabaseError => {
  const position = Number(error.position)
  const fields: DatabaseError.Details = {
    operation,
    reason: error.message,
    cause: error,
    sqlState: error.code,
    schema: text(error.schema),
    table: text(error.table),
    column: text(error.column),
    constraint: text(error.constraint),
    detail: detail(error),
    hint: meanings[error.code] ?? text(error.hint) ?? (operation === "connect" ? hints[error.code] : undefined),
    position: Number.isInteger(position) && position > 0 ? position : undefined
  }
  const tag = tagFor(table, error)
  switch (tag) {
    case "ConnectionError":
      return new DatabaseError.ConnectionError({
        ...fields,
        phase: how.phase ?? (error.code === "57P03" ? "connect" : phaseOf(operation)),
        sent: how.sent ?? (operation !== "connect" && error.code !== "57P03")
      })
    case "PoolTimeout":
    case "RetriesExhausted":
      // No server says these; a table that names them is answered with what is known.
      return new DatabaseError.UnknownError(fields)
    default:
      return new DatabaseError.classes[tag](fields)
  }
}

const at = (error: NodeError): string =>
  error.address === undefined
    ? (error.path ?? "the server")
    : error.port === undefined || error.port < 0
      ? error.address
      : `${error.address.includes(":") ? `[${error.address}]` : error.address}:${error.port}`

/** Reason and hint of a Node code. */
const sentences: Readonly<Record<string, (error: NodeError) => readonly [reason: string, hint?: string]>> = {
  ECONNREFUSED: (error) => [`nothing listens on ${at(error)}`, "Is the server running, is the port right?"],
  ENOENT: (error) => [
    error.path?.includes(".s.PGSQL.") === true
      ? `there is no server socket at ${error.path}`
      : `the file ${error.path ?? "named in the configuration"} is not there`,
    "Is the server running, is the path right?"
  ],
  EACCES: (error) => [`${at(error)} may not be opened by this user`],
  ENOTFOUND: (error) => [`the host name ${error.hostname ?? at(error)} is unknown`, "Check the host in the URL"],
  EAI_AGAIN: (error) => [`the name server did not answer for ${error.hostname ?? at(error)}`],
  ETIMEDOUT: (error) => [`${at(error)} did not answer`, "Is the host right, does a firewall drop the packets?"],
  EHOSTUNREACH: (error) => [`there is no way to ${at(error)}`],
  ENETUNREACH: (error) => [`there is no way to ${at(error)}`],
  ECONNRESET: () => ["the connection was reset by the other side"],
  EPIPE: () => ["the connection was already closed by the other side"],
  EPROTO: () => ["the TLS handshake failed", "Does the server speak TLS? sslmode=disable goes without"]
}

/** What is wrong with a certificate will be wrong the next time, too. */
const certificates: Readonly<Record<string, readonly [reason: string, hint?: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    "the server's certificate is self-signed",
    "Name its certificate in sslrootcert, or use sslmode=require to go without verification"
  ],
  SELF_SIGNED_CERT_IN_CHAIN: [
    "the server's certificate comes from an authority that is not trusted here",
    "Name the authority's certificate in sslrootcert"
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    "the server's certificate comes from an authority that is not trusted here",
    "Name the authority's certificate in sslrootcert"
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    "the server's certificate comes from an authority that is not trusted here",
    "Name the authority's certificate in sslrootcert"
  ],
  CERT_HAS_EXPIRED: ["the server's certificate has expired"],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    "the server's certificate is for another host name",
    "Connect by the name in the certificate, or use sslmode=verify-ca"
  ]
}

const certificateCode = /CERT|ISSUER|LEAF_SIGNATURE|CRL|HOSTNAME_MISMATCH|ALTNAME/

/** Whether a certificate, the server's or one's own, was not accepted. @since 0.1.0 @category guards */
export const isCertificate = (u: unknown): boolean => certificateCode.test(search(u, isNodeError)?.code ?? "")

/** What the driver says without a code. */
const phrases: ReadonlyArray<readonly [RegExp, DatabaseError.DatabaseError["_tag"], string?]> = [
  [/^SASL: .*password must be/, "AuthenticationError", "The server asks for a password and none was given"],
  [/^SASL: /, "AuthenticationError", "The server proved itself wrongly: is it the one that was meant?"],
  [/does not support SSL/i, "ConnectionError", "Turn TLS on at the server, or use sslmode=prefer or disable"],
  [/establishing an SSL connection/i, "ConnectionError", "Is this a PostgreSQL server?"],
  [/connection terminated|connection error and is not queryable|client was closed/i, "ConnectionError"]
]

/** The family's classifier over a product's own table of codes. @since 0.1.0 @category constructors */
export const classifier = (classes: Table) => {
  const classify = (cause: unknown, operation: string, how: Circumstances = {}): DatabaseError.DatabaseError => {
    const known = DatabaseError.find(cause)
    if (known !== undefined) return known
    const server = search(cause, isServerError)
    if (server !== undefined) return fromServer(classes, server, operation, how)
    const lost = (reason: string, hint?: string) =>
      new DatabaseError.ConnectionError({
        operation,
        reason,
        hint,
        cause,
        phase: how.phase ?? phaseOf(operation),
        sent: how.sent ?? operation !== "connect"
      })
    const node = search(cause, isNodeError)
    if (node?.code !== undefined) {
      const sentence = sentences[node.code]
      if (sentence !== undefined) return lost(...sentence(node))
      if (certificateCode.test(node.code)) {
        const [reason, hint] = certificates[node.code] ?? [`TLS: ${node.message}`]
        return new DatabaseError.AuthenticationError({ operation, reason, hint, cause })
      }
      if (/TLS|SSL/.test(node.code)) return lost(`TLS: ${node.message}`)
    }
    const message = cause instanceof Error ? cause.message : ""
    const phrase = phrases.find(([pattern]) => pattern.test(message))
    if (phrase?.[1] === "AuthenticationError") {
      return new DatabaseError.AuthenticationError({ operation, reason: message, hint: phrase[2], cause })
    }
    if (phrase !== undefined || operation === "connect" || how.phase !== undefined) {
      return lost(message === "" ? "the connection failed" : message, phrase?.[2])
    }
    return DatabaseError.from(cause, operation)
  }
  return classify
}

/** @since 0.1.0 @category dialect */
export const classify = classifier(standard)
