/**
 * Rules about how a revision is run: what a transaction forbids, and what cannot be gone on with without one.
 *
 * @since 0.1.0
 */
import { execution } from "../execution.js"
import { type Rule, rule } from "../Rule.js"
import { as, walk } from "../tree.js"

/** The first words of a statement. */
const head = (text: string): string => {
  const words = text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, " ").match(/[A-Za-z]+/g) ?? []
  const concurrently = words.findIndex((word) => word.toUpperCase() === "CONCURRENTLY")
  const length = concurrently >= 0 && concurrently < 5 ? concurrently + 1 : 2
  return words.slice(0, length).join(" ").toUpperCase()
}

/** What may stand in a transaction that somebody else began. */
const inside: ReadonlySet<string> = new Set(["TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"])

const bytes = (text: string): number => new TextEncoder().encode(text).length

/** A name as the server would take it, were it not too long. */
const plain = (text: string): string =>
  text.replace(/^(?:[uU]&)?"([\s\S]*)"$/, (_, name: string) => name.replaceAll('""', '"'))

/** @since 0.1.0 @category models */
export const transactionRules: ReadonlyArray<Rule> = [
  rule({
    id: "concurrent-in-transaction",
    level: "error",
    summary: "A statement that refuses to run in a transaction stands in one",
    why: "PostgreSQL refuses it there",
    remedy: 'Put it in a revision of its own with "-- transaction: false"',
    bad: { sql: "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);" },
    good: { sql: "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);", transaction: false },
    check: ({ node, statement, known }) =>
      !known.transaction || "TransactionStmt" in node || execution(node, known.version).resume === "transaction"
        ? []
        : [{ what: `${head(statement.text)} stands in a transaction` }]
  }),
  rule({
    id: "not-resumable",
    level: "error",
    summary: "Without a transaction, a statement leaves no sign of whether it was done",
    why: "after an interruption nobody can tell whether to run it again, so it is done twice or not at all",
    remedy: "Say it so that it can be told: name the index; else run it by hand outside of the migrations",
    bad: { sql: "CREATE INDEX CONCURRENTLY ON users (email);", transaction: false },
    good: { sql: "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);", transaction: false },
    check: ({ node, statement, known }) =>
      known.transaction || "TransactionStmt" in node || execution(node, known.version).resume !== "never"
        ? []
        : [
            {
              what: `${head(statement.text)} can neither run in a transaction nor be looked up afterwards`,
              ...("IndexStmt" in node ? { remedy: "Give the index a name, so that it can be found again" } : {}),
              ...("ReindexStmt" in node
                ? { remedy: "Create another index concurrently, drop the old one concurrently, and rename" }
                : {})
            }
          ]
  }),
  rule({
    id: "transaction-nesting",
    level: "error",
    summary: "A revision begins or ends a transaction itself",
    why: "the migrator's own transaction ends with it, and the ledger no longer tells what was done",
    remedy: 'Take it out; what must not run in one transaction goes into a revision with "-- transaction: false"',
    bad: { sql: "BEGIN;\nALTER TABLE users ADD COLUMN email text;" },
    good: { sql: "SAVEPOINT before;\nALTER TABLE users ADD COLUMN email text;\nRELEASE before;" },
    check: ({ node, statement, known }) => {
      const control = as(node, "TransactionStmt")
      if (control === undefined || (known.transaction && inside.has(control.kind ?? ""))) return []
      return [
        known.transaction
          ? { what: `${head(statement.text)} stands in a revision that has a transaction` }
          : {
              what: `${head(statement.text)} stands in a revision whose statements run one by one`,
              why: "each of them has a transaction of its own already, together with its row in the ledger"
            }
      ]
    }
  }),
  rule({
    id: "enum-value-in-transaction",
    level: "error",
    summary: "A new value of an enum type is used in the transaction that adds it",
    why: "PostgreSQL refuses it until that transaction is over",
    remedy: "Use the value in a later revision",
    bad: { sql: "ALTER TYPE mood ADD VALUE 'calm';\nUPDATE users SET mood = 'calm';" },
    good: { sql: "ALTER TYPE mood ADD VALUE 'calm';" },
    check: ({ node, known }) => {
      const added = as(node, "AlterEnumStmt")
      if (added?.newVal !== undefined && added.oldVal === undefined && known.transaction && known.version < 12) {
        return [
          {
            what: `Value '${added.newVal}' is added in a transaction`,
            why: "PostgreSQL before 12 refuses that",
            remedy: 'Add it in a revision with "-- transaction: false"'
          }
        ]
      }
      if (known.values.size === 0) return []
      return Array.from(walk(node)).flatMap((one) => {
        const constant = as(one, "A_Const")
        const value = constant?.sval?.sval
        if (value === undefined || !known.values.has(value)) return []
        return [{ at: constant?.location, what: `Value '${value}' was added in this very transaction` }]
      })
    }
  }),
  rule({
    id: "identifier-too-long",
    level: "error",
    summary: "A name has more than 63 bytes",
    why: "PostgreSQL cuts it there without an error, and two names cut alike are one",
    remedy: "Choose a shorter name; a letter outside of ASCII has two to four bytes",
    bad: { sql: `ALTER TABLE users ADD COLUMN ${"long_".repeat(12)}name text;` },
    good: { sql: `ALTER TABLE users ADD COLUMN ${"long_".repeat(11)}name text;` },
    check: ({ names }) =>
      names
        // A UTF-16 unit has at most three bytes.
        .filter((name) => name.text.length > 21 && bytes(plain(name.text)) > 63)
        .map((name) => ({ index: name.start, what: `${name.text} has ${bytes(plain(name.text))} bytes` }))
  })
]
