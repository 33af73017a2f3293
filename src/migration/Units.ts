/**
 * The statements of a revision without a transaction, cut into what is committed at once. Read with the real grammar where
 * the product has one and the package is installed; else a statement is tried in a transaction, and what the server
 * refuses there is told from its first words.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Dialect, IndexName } from "../Dialect.js"
import { MigrationError } from "../model/MigrationError.js"
import type { Body } from "./Revision.js"
import type { Statement } from "./SqlFile.js"

/** What is done when a statement outside of any transaction was cut short. @since 0.1.0 @category models */
export type Resume =
  | { readonly _tag: "probe"; readonly index: IndexName; readonly action: "create" | "drop" }
  | { readonly _tag: "repeat" }
  | { readonly _tag: "never" }

/** @since 0.1.0 @category models */
export interface Unit {
  readonly statements: ReadonlyArray<Statement>
  /** Statements before it, and with it. */
  readonly from: number
  readonly to: number
  /** `try`: in a transaction, and alone when the server says that it cannot run in one. */
  readonly run: "transaction" | "try" | "alone"
  readonly resume: Resume
}

interface Read extends Statement {
  readonly run: Unit["run"]
  readonly resume: Resume
}

/** @since 0.1.0 @category constructors */
export const units = (
  dialect: Dialect,
  body: Extract<Body, { readonly _tag: "sql" }>,
  where: { readonly revision: string; readonly file: string | undefined }
): Effect.Effect<ReadonlyArray<Unit>, MigrationError> =>
  Effect.flatMap(read(dialect, body), (statements) => group(statements, where))

const guessed = (dialect: Dialect, body: Extract<Body, { readonly _tag: "sql" }>): ReadonlyArray<Read> =>
  body.statements.map((statement) => ({
    ...statement,
    run: dialect.kind(statement.text) === "session" ? "alone" : "try",
    resume: guess(statement.text, dialect.kind(statement.text) === "session")
  }))

const read = (dialect: Dialect, body: Extract<Body, { readonly _tag: "sql" }>): Effect.Effect<ReadonlyArray<Read>> => {
  const { source } = body
  // Only a product that has such statements speaks the grammar that tells them apart.
  if (dialect.resumption === undefined || source === undefined) return Effect.sync(() => guessed(dialect, body))
  return Effect.promise(() => import("./Lint.js")).pipe(
    Effect.flatMap((lint) => lint.statements(source.text, { line: source.line })),
    Effect.map((statements) =>
      statements.map((one): Read => {
        const base = { text: one.text, line: one.line }
        if (one.resume === "transaction") return { ...base, run: "transaction", resume: { _tag: "never" } }
        return {
          ...base,
          run: "alone",
          resume:
            one.resume === "probe" && one.index !== undefined
              ? { _tag: "probe", index: one.index, action: one.index.action }
              : { _tag: one.resume === "repeat" ? "repeat" : "never" }
        }
      })
    ),
    // Not installed, or older than the server whose words these are: the server decides.
    Effect.catchAll(() => Effect.sync(() => guessed(dialect, body)))
  )
}

const name = `("(?:[^"]|"")+"|[\\w$\\u0080-\\uffff]+)`
const create = new RegExp(
  `^CREATE\\s+(?:UNIQUE\\s+)?INDEX\\s+CONCURRENTLY\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?${name}\\s+ON\\s+(?:ONLY\\s+)?(?:${name}\\s*\\.)?`,
  "i"
)
const drop = new RegExp(`^DROP\\s+INDEX\\s+CONCURRENTLY\\s+(?:IF\\s+EXISTS\\s+)?(?:${name}\\s*\\.\\s*)?${name}`, "i")
const harmless = /^(?:VACUUM|REINDEX|CLUSTER|ANALYZE|ALTER\s+SYSTEM|PRAGMA|DISCARD)\b/i

const spelled = (text: string): string =>
  text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()
const index = (schema: string | undefined, name: string): IndexName => ({
  schema: schema === undefined ? undefined : spelled(schema),
  name: spelled(name)
})

const guess = (text: string, session: boolean): Resume => {
  const created = create.exec(text)
  if (created?.[1] !== undefined) {
    return { _tag: "probe", index: index(created[2], created[1]), action: "create" }
  }
  const dropped = drop.exec(text)
  if (dropped?.[2] !== undefined) return { _tag: "probe", index: index(dropped[1], dropped[2]), action: "drop" }
  return { _tag: session || harmless.test(text) ? "repeat" : "never" }
}

const opens = /^(?:BEGIN|START\s+TRANSACTION)\b/i
const closes = /^(?:COMMIT|END)\b(?!\s+PREPARED)/i
const others = /^(?:ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b)|ABORT|PREPARE\s+TRANSACTION|COMMIT\s+PREPARED)\b/i

/** A transaction written into the file is one unit, which takes the ledger's word along in its COMMIT. */
const group = (
  statements: ReadonlyArray<Read>,
  where: { readonly revision: string; readonly file: string | undefined }
): Effect.Effect<ReadonlyArray<Unit>, MigrationError> => {
  const refuse = (problem: string, remedy: string, { line, text }: Statement) =>
    Effect.fail(new MigrationError({ reason: "bad-sql", problem, remedy, ...where, line, statement: text }))
  const found: Array<Unit> = []
  let open: { readonly at: number; readonly begin: Read; readonly inside: Array<Statement> } | undefined
  for (const [at, statement] of statements.entries()) {
    const { line, run, resume, text } = statement
    if (others.test(text)) {
      return refuse("it would undo what the ledger says is done", "Take the statement out", statement)
    }
    if (opens.test(text)) {
      if (open !== undefined) return refuse("a transaction is open already", "Take the statement out", statement)
      open = { at, begin: statement, inside: [] }
    } else if (closes.test(text)) {
      if (open === undefined) return refuse("no transaction is open", "Take the statement out", statement)
      found.push({
        statements: open.inside,
        from: open.at,
        to: at + 1,
        run: "transaction",
        resume: { _tag: "never" }
      })
      open = undefined
    } else if (open !== undefined) open.inside.push({ text, line })
    else found.push({ statements: [{ text, line }], from: at, to: at + 1, run, resume })
  }
  return open === undefined
    ? Effect.succeed(found)
    : refuse("the transaction it begins has no end", "Write COMMIT behind its last statement", open.begin)
}
