/** The README's table for those who come from Alembic: each of its rows is run, and does what Alembic's command does. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { aquifer, type Ended } from "./command.js"
import { freshFolder } from "./folder.js"
import { project, schema, tables, write } from "./migrations.js"

const limit = 300_000
const env = { DATABASE_URL: "sqlite:app.db" }

interface Row {
  /** A second head: 0004 follows 0002, as 0003 does. */
  readonly branches?: true
  /** Everything is applied, and another table declared. */
  readonly declared?: true
  /** What the table's placeholders stand for. */
  readonly words?: Readonly<Record<string, string>>
  readonly code?: number
  /** The ledger afterwards; it begins at 0001 and 0002. */
  readonly applied?: ReadonlyArray<string>
  /** What is on standard output of the last of its commands. */
  readonly says?: RegExp
  /** A file that is there afterwards. */
  readonly file?: string
}

const REV = { REV: "0002" }

const rows: Readonly<Record<string, Row>> = {
  "alembic init migrations": { file: "migrations/README.md" },
  'alembic revision -m "add users"': { file: "migrations/0004_add_users.sql" },
  'alembic revision --autogenerate -m "x"': {
    declared: true,
    applied: ["0001", "0002", "0003"],
    file: "migrations/0004_x.sql",
    says: /create the table "t4"/
  },
  'alembic revision --head REV -m "x"': { words: REV, file: "migrations/0004_x.sql" },
  "alembic upgrade head": { applied: ["0001", "0002", "0003"] },
  "alembic upgrade REV": { words: { REV: "0003" }, applied: ["0001", "0002", "0003"] },
  "alembic upgrade +2": { branches: true, words: {}, applied: ["0001", "0002", "0003", "0004"] },
  "alembic upgrade heads": { branches: true, applied: ["0001", "0002", "0003", "0004"] },
  "alembic upgrade head --sql": { says: /CREATE TABLE t3[\s\S]*INSERT INTO "aquifer_migrations"/ },
  "alembic upgrade A:B --sql": { words: { A: "0001", B: "0003" }, says: /CREATE TABLE t2[\s\S]*CREATE TABLE t3/ },
  "alembic downgrade -1": { applied: ["0001"] },
  "alembic downgrade REV": { words: { REV: "0001" }, applied: ["0001"] },
  "alembic downgrade base": { applied: [] },
  "alembic downgrade A:B --sql": {
    words: { A: "0003", B: "0001" },
    says: /DROP TABLE t3[\s\S]*DROP TABLE t2[\s\S]*DELETE FROM "aquifer_migrations"/
  },
  "alembic current": { says: /0002_t2/ },
  "alembic current --check-heads": { code: 3, says: /0002_t2/ },
  "alembic history": { says: /0001_t1[\s\S]*0002_t2/ },
  "alembic heads": { branches: true, says: /0003_t3\n +0004_t4/ },
  "alembic branches": { branches: true, says: /0002_t2 +0003, 0004/ },
  'alembic merge -m "x" A B': { branches: true, words: { A: "0003", B: "0004" }, file: "migrations/0005_x.sql" },
  "alembic show REV": { words: REV, says: /CREATE TABLE t2/ },
  "alembic stamp head": { applied: ["0001", "0002", "0003"] },
  "alembic stamp REV --purge": { words: { REV: "0001" }, applied: ["0001"] },
  "alembic ensure_version": { applied: ["0001", "0002", "0003"] },
  "alembic edit REV": { words: REV, says: /migrations\/0002_t2\.sql/ },
  "alembic check": { declared: true, applied: ["0001", "0002", "0003"], code: 3, says: /create the table "t4"/ },
  "alembic list_templates": { file: "migrations/0004_x.sql" }
}

/** Rows of the table as they stand there: Alembic's command, and ours in their order. */
const written = async (): Promise<ReadonlyArray<readonly [alembic: string, ours: ReadonlyArray<string>]>> => {
  const readme = await fs.readFile(path.join(import.meta.dirname, "../../README.md"), "utf8")
  const table = /### Coming from Alembic\n\n([\s\S]*?)\n\n/.exec(readme)?.[1] ?? ""
  return table
    .split("\n")
    .slice(2)
    .map((line) => {
      const [, theirs = "", ours = ""] = line.split("|")
      return [
        theirs.trim().replace(/^`|`$/g, ""),
        Array.from(ours.matchAll(/`(aquifer [^`]+)`/g), ([, command = ""]) => command)
      ] as const
    })
}

const ledger = (cwd: string): ReadonlyArray<string> => {
  const db = new Sqlite(path.join(cwd, "app.db"), { readonly: true })
  try {
    return db.prepare("SELECT id FROM aquifer_migrations ORDER BY id").pluck().all() as ReadonlyArray<string>
  } finally {
    db.close()
  }
}

describe("coming from Alembic", () => {
  it.scopedLive(
    "every row of the table is a command that does what it stands for",
    () =>
      Effect.gen(function* () {
        const began = yield* project(tables(3))
        expect(yield* aquifer(["migrate", "up", "0002"], { cwd: began, env })).toMatchObject({ code: 0 })
        const table = yield* Effect.promise(written)
        // A row that is added is tried, too.
        expect(table.map(([theirs]) => theirs).filter((theirs) => rows[theirs] === undefined)).toEqual([])
        yield* Effect.forEach(
          table,
          ([theirs, ours]) =>
            Effect.gen(function* () {
              const {
                applied = ["0001", "0002"],
                branches,
                code = 0,
                declared,
                file,
                says,
                words = {}
              } = rows[theirs] ?? {}
              const cwd = yield* freshFolder
              yield* Effect.promise(() => fs.cp(began, cwd, { recursive: true }))
              if (branches) {
                yield* write(cwd, {
                  "migrations/0004_t4.sql": "-- revises: 0002\n-- migrate:up\nCREATE TABLE t4 (id INTEGER);\n"
                })
              }
              if (declared) {
                yield* write(cwd, { "schema.ts": schema(["t1", "t2", "t3", "t4"]) })
                yield* aquifer(["migrate", "up"], { cwd, env })
              }
              let last: Ended = { code: 0, out: "", err: "" }
              for (const command of ours) {
                const args = command
                  .split(" ")
                  .slice(1)
                  .map((word) => word.replace(/\b(?:REV|[AB])\b/g, (name) => words[name] ?? name))
                // Nobody is there to be asked.
                last = yield* aquifer(args[0] === "migrate" ? [...args, "--yes"] : args, { cwd, env })
                expect([0, 3]).toContain(last.code)
              }
              expect({ theirs, code: last.code, applied: ledger(cwd) }).toEqual({ theirs, code, applied })
              if (says !== undefined) expect(last.out).toMatch(says)
              if (file !== undefined) expect(yield* Effect.promise(() => fs.stat(path.join(cwd, file)))).toBeTruthy()
            }),
          { concurrency: 2 }
        )
      }),
    limit
  )
})
