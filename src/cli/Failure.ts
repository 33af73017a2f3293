/**
 * Any failure as what a person reads: one line that says what is wrong and what to do, or one for each problem of a
 * configuration. The only place that turns errors into words; no stack and no secret comes out of it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import { explain } from "../model/DatabaseConfig.js"
import { type DatabaseError, find } from "../model/DatabaseError.js"
import { MigrationError } from "../model/MigrationError.js"
import { SeedError } from "../seed/SeedError.js"
import { prefix, sentence } from "./words.js"

const whenConnecting: Readonly<Partial<Record<DatabaseError["_tag"], string>>> = {
  ConnectionError: "Check that the server runs and that host and port are right",
  AuthenticationError: "Check the user and the password",
  AuthorizationError: "Give this user the right, or use another one",
  DatabaseNotFound: "Create it (aquifer db create), or name another one in DATABASE_URL",
  TooManyConnections: "Lower DB_POOL_SIZE, or raise the server's limit",
  PoolTimeout: "Raise DB_POOL_SIZE or DB_POOL_TIMEOUT",
  LockTimeoutError: "Another process holds the lock: try again when it is done",
  ResourceError: "The server is out of disk or memory: make room",
  ReadOnlyError: "The database or its file can only be read: use the primary, or change the file's permissions",
  CommitUnknown: "Look for the transaction's effects before you repeat it"
}

/** What is wrong, and what to do about it where that is known. @since 0.1.0 @category models */
export interface Said {
  readonly finding: string
  readonly remedy?: string | undefined
}

const ofDatabase = (error: DatabaseError, where: string | undefined): Said => {
  if (error._tag === "RetriesExhausted") {
    const { finding, remedy } = ofDatabase(error.last, where)
    return { finding: `${sentence(`gave up after ${error.attempts.length} attempts`)} ${finding}`, remedy }
  }
  const at = where === undefined ? "" : ` (${where})`
  const detail = error.detail === undefined ? "" : ` ${sentence(error.detail)}`
  const remedy = (error.hint ?? whenConnecting[error._tag])?.replace(
    /^Create the database\b/,
    "Create the database (aquifer db create)"
  )
  return {
    finding: `${sentence(`${error._tag}${at}: ${error.reason}`)}${detail}`,
    remedy: remedy === undefined ? undefined : sentence(remedy)
  }
}

/** The library's remedies name its functions; here they are commands. */
const inCommands = (text: string, revision: string): string =>
  text
    .replace(/Migrator\.repair\(\{ (\w+) \}\)/g, (_, what: string) => `aquifer migrate repair --${what} ${revision}`)
    .replace(/Migrator\.create\b/g, "aquifer migrate new")
    .replace(/Migrator\.(status|heads|merge|stamp|repair|down|up)\b/g, "aquifer migrate $1")
    .replace(/(?:the option )?\ballowOutOfOrder\b/g, "--allow-out-of-order")
    .replace(/the option directory\b/g, "--migrations")

const ofMigration = (error: MigrationError): Said => {
  const end = ` ${error.remedy}.`
  // Its message is the whole line, what to do at its end.
  const finding = error.message.endsWith(end) ? error.message.slice(0, -end.length) : error.message
  const revision = error.revision ?? "REVISION"
  return {
    finding: sentence(inCommands(finding, revision)),
    remedy: finding === error.message ? undefined : sentence(inCommands(error.remedy, revision))
  }
}

/** What there is to say of an error: one thing, or one for each problem of a configuration. @since 0.1.0 @category conversions */
export const said = (error: unknown, where?: string | undefined): ReadonlyArray<Said> => {
  if (ConfigError.isConfigError(error)) {
    // Either one line, or a heading with a dash before each problem.
    const [first = "", ...problems] = explain(error).split("\n")
    const texts = problems.length === 0 ? [first] : problems.map((problem) => problem.replace(/^\s*-\s*/, ""))
    return texts.map((text) => ({ finding: sentence(text) }))
  }
  if (error instanceof MigrationError) return [ofMigration(error)]
  if (error instanceof SeedError) return [{ finding: sentence(error.message) }]
  const known = find(error)
  if (known !== undefined) return [ofDatabase(known, where)]
  return [
    {
      finding: sentence(
        error instanceof Error && error.message !== "" ? error.message : "failed for a reason it did not give"
      )
    }
  ]
}

/**
 * One line for each problem. `where` is the database in use, its password hidden.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lines = (cause: Cause.Cause<unknown>, where?: string | undefined): ReadonlyArray<string> => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") {
    return said(failure.value, where).map(
      ({ finding, remedy }) => `${prefix}${finding}${remedy === undefined ? "" : ` ${remedy}`}`
    )
  }
  const defect = Cause.dieOption(cause)
  const why = defect._tag === "Some" && defect.value instanceof Error ? `: ${defect.value.message}` : ""
  return [`${prefix}${sentence(`internal error${why}`)} This is a mistake in aquifer: please report it.`]
}
