/**
 * Rules about constraints that rows which are there already must be compared with.
 *
 * @since 0.1.0
 */
import type { ConstrType } from "libpg-query"
import { type Context, type Match, type Rule, rule } from "../Rule.js"
import { type AddedConstraint, addedConstraints, alterations, called, constraintOf, same, show } from "../tree.js"

const added = ({ node, known }: Context, ...types: ReadonlyArray<ConstrType>): ReadonlyArray<AddedConstraint> =>
  addedConstraints(node).filter(
    ({ table, constraint }) =>
      constraint.contype !== undefined && types.includes(constraint.contype) && !known.isNew(table)
  )

const found = ({ table, constraint, column }: AddedConstraint, kind: string): Match => ({
  at: constraint.location,
  what: `${called(constraint)} on ${show(table)}${column === undefined ? "" : `.${column.name}`} ${kind}`
})

/** Validating in the transaction that added the constraint reads the table under the lock that adding it took. */
const validatedTooSoon = ({ node, known }: Context, type: ConstrType): ReadonlyArray<Match> =>
  known.transaction
    ? alterations(node)
        .filter(({ command }) => command.subtype === "AT_ValidateConstraint")
        .filter(({ table, command }) =>
          known.constraints.some(
            (one) =>
              one.constraint.contype === type &&
              one.constraint.conname === command.name &&
              one.constraint.skip_validation === true &&
              same(one.table, table)
          )
        )
        .map(({ table, command }) => ({
          what: `Constraint ${command.name} on ${show(table)} is validated in the transaction that added it`,
          remedy: "Move VALIDATE CONSTRAINT to a revision of its own"
        }))
    : []

/** @since 0.1.0 @category models */
export const constraintRules: ReadonlyArray<Rule> = [
  rule({
    id: "adding-foreign-key-without-not-valid",
    level: "error",
    summary: "A foreign key is added and checked in one go",
    why: "the whole table is compared with the other under locks that stop writes to both",
    remedy: "Add it NOT VALID, and VALIDATE CONSTRAINT in a later revision, which lets writes through",
    bad: {
      sql: "ALTER TABLE posts ADD CONSTRAINT posts_author_fkey FOREIGN KEY (author_id) REFERENCES users (id);"
    },
    good: {
      sql: "ALTER TABLE posts ADD CONSTRAINT posts_author_fkey FOREIGN KEY (author_id) REFERENCES users (id) NOT VALID;"
    },
    check: (context) => [
      ...added(context, "CONSTR_FOREIGN")
        .filter(({ constraint }) => constraint.skip_validation !== true && constraint.is_enforced !== false)
        // Of a new column that is NULL everywhere PostgreSQL compares nothing.
        .filter(({ column }) => column === undefined || constraintOf(column, "CONSTR_DEFAULT") !== undefined)
        .map((one) => found(one, "is a foreign key that is checked at once")),
      ...validatedTooSoon(context, "CONSTR_FOREIGN")
    ]
  }),
  rule({
    id: "adding-check-without-not-valid",
    level: "error",
    summary: "A check is added and made on all rows in one go",
    why: "the whole table is read under a lock that stops reads and writes",
    remedy: "Add it NOT VALID, and VALIDATE CONSTRAINT in a later revision, which lets reads and writes through",
    bad: { sql: "ALTER TABLE users ADD CONSTRAINT users_age_check CHECK (age >= 0);" },
    good: { sql: "ALTER TABLE users ADD CONSTRAINT users_age_check CHECK (age >= 0) NOT VALID;" },
    check: (context) => [
      ...added(context, "CONSTR_CHECK")
        .filter(({ constraint }) => constraint.skip_validation !== true && constraint.is_enforced !== false)
        .map((one) => found(one, "is a check that is made on all rows at once")),
      ...validatedTooSoon(context, "CONSTR_CHECK")
    ]
  }),
  rule({
    id: "adding-unique-constraint",
    level: "error",
    summary: "A unique or exclusion constraint builds its index while it is added",
    why: "the index is built under a lock that stops reads and writes",
    remedy:
      "CREATE UNIQUE INDEX CONCURRENTLY in a revision without a transaction, then ADD CONSTRAINT … UNIQUE USING INDEX",
    bad: { sql: "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);" },
    good: { sql: "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX users_email_idx;" },
    check: (context) => [
      ...added(context, "CONSTR_UNIQUE")
        .filter(({ constraint }) => constraint.indexname === undefined)
        .map((one) => found(one, "is unique and has no index yet")),
      ...added(context, "CONSTR_EXCLUSION").map((one) => ({
        ...found(one, "excludes and has no index yet"),
        remedy:
          "There is no way around it: add it when nobody writes, with a lock_timeout, and allow it with that reason"
      }))
    ]
  }),
  rule({
    id: "adding-primary-key",
    level: "error",
    summary: "A primary key builds its index while it is added",
    why: "the index is built, and NOT NULL checked, under a lock that stops reads and writes",
    remedy:
      "CREATE UNIQUE INDEX CONCURRENTLY in a revision without a transaction, then ADD CONSTRAINT … PRIMARY KEY USING INDEX",
    bad: { sql: "ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY (id);" },
    good: { sql: "ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_id_idx;" },
    check: (context) =>
      added(context, "CONSTR_PRIMARY")
        .filter(({ constraint }) => constraint.indexname === undefined)
        .map((one) => found(one, "is a primary key and has no index yet"))
  })
]
