/** Every tag is produced by a real database in some test, or stands here with the reason why it cannot be. */
import { describe, expect, it } from "@effect/vitest"
import { DatabaseError } from "effect-aquifer"
import { cases as portable } from "../contract/errors.js"
import type { Tag } from "./case.js"
import * as Door from "./postgresDoor.js"
import * as Races from "./postgresRaces.js"
import * as Statements from "./postgresStatements.js"
import * as Sqlite from "./sqliteCases.js"

const tags = Object.keys(DatabaseError.classes) as ReadonlyArray<Tag>

const produced = {
  "every product": portable,
  PostgreSQL: [...Statements.cases, ...Races.cases, ...Door.cases],
  SQLite: [...Sqlite.cases, ...Sqlite.alone]
}

const by = (cases: ReadonlyArray<{ readonly tag: Tag }>) => new Set(cases.map(({ tag }) => tag))

/** Tags no server gives, and who does. */
const nowhere: Partial<Record<Tag, string>> = {
  PoolOverloaded: "the pool itself says so when it sheds load, which is off unless queueTarget asks for it"
}

/** Tags SQLite has no way to give. */
const notOnSqlite: Partial<Record<Tag, string>> = {
  AuthenticationError: "a file asks nobody for a password",
  AuthorizationError: "a file has no roles; a path without rights is ReadOnlyError or DatabaseNotFound",
  TooManyConnections: "a file counts no connections",
  ExclusionViolation: "there are no EXCLUDE constraints",
  DeadlockError: "there is one writer: BEGIN IMMEDIATE waits before anything is held",
  QueryCanceled: "statements run to their end inside this process",
  CommitUnknown: "COMMIT is a call, and its answer cannot be lost",
  StaleStatement: "SQLite prepares a statement anew by itself",
  UnknownError: "every result code stands in the table"
}

describe("every tag", () => {
  it.each(tags)("%s is produced by a real database, or says why not", (tag) => {
    const somewhere = Object.values(produced).some((cases) => by(cases).has(tag))
    expect(somewhere).toBe(nowhere[tag] === undefined)
  })

  it.each(tags)("%s: where SQLite does not produce it, the reason is known", (tag) => {
    const onSqlite = by([...produced["every product"], ...produced.SQLite]).has(tag)
    expect(onSqlite).toBe((nowhere[tag] ?? notOnSqlite[tag]) === undefined)
  })

  it.each(tags)("%s: PostgreSQL produces it", (tag) => {
    const there = by([...produced["every product"], ...produced.PostgreSQL]).has(tag)
    expect(there).toBe(nowhere[tag] === undefined)
  })

  it("titles tell the cases apart", () => {
    for (const cases of Object.values(produced)) {
      const titles = cases.map(({ tag, title }) => `${tag}: ${title}`)
      expect(new Set(titles).size).toBe(titles.length)
    }
  })
})
