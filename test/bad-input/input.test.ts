/** What people write wrongly: the real command ends with its code and readable lines, and has done nothing by halves. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { aquifer, type Ended } from "../cli/command.js"
import { freshFolder } from "../cli/folder.js"
import { adminUrl, freshDatabase, query, urlWith } from "../support/server.js"

const canary = "canary-7f3a9c"

/** Readable: whole lines that begin with the program's name, no stack, no object, no secret. */
const readable = (ended: Ended, code: number, lines = 1, json = false) => {
  const said = ended.err.trimEnd().split("\n")
  expect({ code: ended.code, lines: said.length, err: ended.err }).toEqual({ code, lines, err: ended.err })
  for (const line of said) expect(line).toMatch(/^aquifer: \S.*[.!?]$/)
  expect(ended.err).not.toMatch(/^\s+at |Error:.*\n\s+at|\[object|undefined|FiberFailure|node:internal/m)
  expect(ended.err + ended.out).not.toContain(canary)
  // With `--json` the one object it promises.
  if (json) expect(JSON.parse(ended.out)).toEqual({ error: { code, messages: [expect.any(String)] } })
  else expect(ended.out).toBe("")
  return ended.err
}

interface Case {
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly code?: number
  readonly lines?: number
  readonly says: RegExp
}

const cases: Readonly<Record<string, Case>> = {
  "a URL that is none": { args: ["demo"], env: { DATABASE_URL: `nonsense ${canary}` }, says: /DATABASE_URL: / },
  "an unknown scheme": {
    args: ["demo"],
    env: { DATABASE_URL: `mysql://root:${canary}@localhost/x` },
    says: /unknown scheme "mysql:\/\/"; known are postgres:\/\//
  },
  "a port that is no number": {
    args: ["demo", `--url=postgres://u:${canary}@localhost:port/x`],
    says: /DATABASE_URL: /
  },
  "several problems at once, a line for each": {
    args: ["demo"],
    env: { DATABASE_URL: "sqlite:x.db", DB_POOL_SIZE: "many", DB_POOL_TIMEOUT: "soon" },
    lines: 2,
    says: /DB_POOL_SIZE: [\s\S]*DB_POOL_TIMEOUT: /
  },
  "a configuration file that is not there": {
    args: ["demo", "--config", "nope.yaml"],
    says: /nope\.yaml: .*no such file/
  },
  "a configuration file of an unknown kind": {
    args: ["demo", "--config", "what.xml"],
    says: /what\.xml: .*expected \.env/
  },
  "a folder as configuration file": {
    args: ["demo", "--config", "folder.json"],
    code: 2,
    says: /--config takes the path of a file, not of a folder/
  },
  "a malformed JSON file": { args: ["demo", "--config", "bad.json"], says: /bad\.json: .*malformed.*JSON/ },
  "a malformed YAML file": { args: ["demo", "--config", "bad.yaml"], says: /bad\.yaml: .*malformed.*line 3/ },
  "a malformed TOML file": { args: ["demo", "--config", "bad.toml"], says: /bad\.toml: .*malformed.*line 1/ },
  "a file that says no database": { args: ["demo", "--config", "empty.yaml"], says: /DATABASE_URL: .*expected a URL/ },
  "no database at all": { args: ["migrate", "up"], says: /DATABASE_URL: .*expected a URL/ },
  "a missing migrations folder": {
    args: ["migrate", "up", "--url", "sqlite:x.db"],
    says: /no migrations folder migrations\. Create it, or name the right one with --migrations/
  },
  "a file in the place of the migrations folder": {
    args: ["migrate", "up", "--url", "sqlite:x.db", "--migrations", "bad.json"],
    code: 2,
    says: /--migrations takes the path of a folder, not of a file/
  },
  "a folder in the place of the SQLite file": {
    args: ["demo", "--url", "sqlite:folder.json"],
    says: /is a folder\. Name a file/
  },
  "a SQLite file in a folder that is not there": {
    args: ["demo", "--url", "sqlite:no/such/x.db"],
    says: /does not exist\. Create it/
  },
  "a SQLite file that is none": {
    args: ["demo", "--url", "sqlite:bad.json"],
    says: /is not a SQLite database\. .*name another path/
  },
  "a port where no server is": {
    args: ["demo", "--url", `postgres://u:${canary}@127.0.0.1:1/x`],
    says: /postgres:\/\/u:\*\*\*@127\.0\.0\.1:1\/x.*127\.0\.0\.1:1/
  },
  "a host nobody knows": {
    args: ["demo", "--url", `postgres://u:${canary}@no-such-host.invalid/x`],
    says: /no-such-host\.invalid/
  },
  "an unknown command": { args: ["dmeo"], code: 2, says: /unknown command "dmeo"\. Did you mean aquifer demo\?/ },
  "a command's unknown second word": {
    args: ["migrate", "stauts"],
    code: 2,
    says: /Did you mean aquifer migrate status\?/
  },
  "half a command": { args: ["migrate"], code: 2, says: /migrate what\? There are: up, down, to, status/ },
  "an unknown option": {
    args: ["migrate", "up", "--jsno"],
    code: 2,
    says: /unknown option "--jsno"\. Did you mean --json\?/
  },
  "an unknown option with a secret in it": {
    args: ["demo", `--ulr=postgres://u:${canary}@h/x`],
    code: 2,
    says: /Did you mean --url\?/
  },
  "a secret in the place of a command": {
    args: [`postgres://u:${canary}@h/x`],
    code: 2,
    says: /unknown command \(not shown\)/
  },
  "an argument no command takes": {
    args: ["demo", `postgres://u:${canary}@h/x`],
    code: 2,
    says: /was given a URL \(not shown\) in no option/
  },
  "an option of another command": {
    args: ["health", "--steps", "1"],
    code: 2,
    says: /aquifer health takes no option --steps/
  },
  "an option without its value": { args: ["demo", "--url"], code: 2, says: /--url needs a value/ },
  "an option followed by another": { args: ["demo", "--url", "--json"], code: 2, says: /--url needs a value/ },
  "a number that is none": { args: ["migrate", "up", "--steps", "-1"], code: 2, says: /--steps takes a whole number/ },
  "a flag with a value": { args: ["demo", "--json=yes"], code: 2, says: /--json takes no value/ },
  "an option twice": { args: ["demo", "--json", "--json"], code: 2, says: /given twice/ },
  "two databases": {
    args: ["demo", "--url", "sqlite:x.db", "--config", "empty.yaml"],
    code: 2,
    says: /Give one of them/
  },
  "down without --yes": { args: ["migrate", "down", "--url", "sqlite:x.db"], code: 2, says: /--yes/ },
  "stamp --purge without --yes": {
    args: ["migrate", "stamp", "head", "--purge", "--url", "sqlite:x.db"],
    code: 2,
    says: /forgets everything .*--yes/
  },
  "repair without --yes": {
    args: ["migrate", "repair", "--forget", "0001", "--url", "sqlite:x.db"],
    code: 2,
    says: /changes what the ledger .*--yes/
  },
  "repair without saying what": {
    args: ["migrate", "repair", "--url", "sqlite:x.db"],
    code: 2,
    says: /repair what\? Say --accept/
  },
  "dropping a database without --yes": { args: ["db", "drop", "--url", "sqlite:x.db"], code: 2, says: /--yes/ },
  "dropping a production database": {
    args: ["db", "drop", "--yes", "--url", "sqlite:x.db"],
    env: { DB_ENV: "production" },
    says: /production database .*is not dropped/
  },
  "resetting a production database": {
    args: ["db", "reset", "--yes", "--url", "sqlite:x.db"],
    env: { NODE_ENV: "production" },
    says: /production database .*is not dropped/
  },
  "dropping a server's own database": {
    args: ["db", "drop", "--yes", "--url", `postgres://u:${canary}@127.0.0.1:1/postgres`],
    says: /server's own database and is not dropped/
  },
  "dropping a file that is no database": {
    args: ["db", "drop", "--yes", "--url", "sqlite:bad.json"],
    says: /is not a SQLite database/
  },
  "a database in memory to be made": {
    args: ["db", "create", "--url", "sqlite::memory:"],
    says: /in memory .*Name a file/
  },
  "the sessions of a product without a server": {
    args: ["connections", "--url", "sqlite:x.db"],
    says: /UnsupportedError .*no server knows/
  },
  "a choice that is none": {
    args: ["migrate", "lint", "--format", "xml"],
    code: 2,
    says: /--format takes one of text, json, github, sarif/
  },
  "a revision and steps": {
    args: ["migrate", "up", "0001", "--steps", "1", "--url", "sqlite:x.db"],
    code: 2,
    says: /Give one of them/
  },
  "a missing argument": {
    args: ["migrate", "to"],
    code: 2,
    says: /needs a revision\. Write aquifer migrate to <revision>/
  },
  "a migration without a name": { args: ["migrate", "new"], code: 2, says: /needs a name/ },
  "a shell nobody knows": { args: ["--completions", "tcsh"], code: 2, says: /takes one of bash, zsh, fish/ },
  "a command without its first word": { args: ["status"], code: 2, says: /Did you mean aquifer migrate status\?/ },
  "an unknown short option": { args: ["migrate", "up", "-x"], code: 2, says: /unknown option "-x"/ }
}

const litter = async (folder: string) => {
  await fs.mkdir(path.join(folder, "folder.json"))
  await fs.writeFile(path.join(folder, "bad.json"), `{ "url": "${canary}", }\n`.repeat(100))
  await fs.writeFile(path.join(folder, "bad.yaml"), `database:\n  url: "${canary}\n x: [`)
  await fs.writeFile(path.join(folder, "bad.toml"), `url == "${canary}"\n`)
  await fs.writeFile(path.join(folder, "empty.yaml"), "database:\n  pool_size: 3\n")
  await fs.writeFile(path.join(folder, "what.xml"), `<url>${canary}</url>`)
}

describe("bad input", () => {
  it.scopedLive.each(Object.entries(cases).map(([title, one]) => ({ title, ...one })))("$title", (one) =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      yield* Effect.promise(() => litter(cwd))
      const before = yield* Effect.promise(() => fs.readdir(cwd))
      const ended = yield* aquifer(one.args, { cwd, ...(one.env === undefined ? {} : { env: one.env }) })
      const json = one.args.includes("--json")
      expect(readable(ended, one.code ?? 1, one.lines, json)).toMatch(one.says)
      if (one.code === 2) expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual(before)
    })
  )

  it.scopedLive("a configuration file nobody may read is named with the remedy", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const file = path.join(cwd, "secret.yaml")
      yield* Effect.promise(() => fs.writeFile(file, `url: postgres://u:${canary}@h/x`, { mode: 0o000 }))
      // Root may read everything: for him the file is opened, and the address in it is what fails.
      const ended = yield* aquifer(["demo", "--config", "secret.yaml"], { cwd })
      expect(readable(ended, 1)).toMatch(
        process.getuid?.() === 0 ? /@h:5432\/x/ : /may not read it; change its permissions/
      )
    })
  )

  it.scopedLive("an env file that is not there is named, and nothing is done", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      // Some versions of Node read this option themselves, wherever it stands, and end with 9 before the command begins.
      const ended = yield* aquifer(["db", "create", "--env-file", "nope.env", "--url", "sqlite:x.db"], { cwd })
      expect([2, 9]).toContain(ended.code)
      expect(ended.err).toMatch(/^[^\n]*nope\.env[^\n]*\n$/)
      expect(yield* Effect.promise(() => fs.readdir(cwd))).toEqual([])
    })
  )

  it.scopedLive("a wrong password, an unknown user and an unknown database are told apart", () =>
    Effect.gen(function* () {
      const cwd = yield* freshFolder
      const url = yield* freshDatabase
      const ask = (wrong: Parameters<typeof urlWith>[1]) =>
        Effect.map(aquifer(["health", "--url", urlWith(url, wrong)], { cwd }), (ended) => ended)
      const password = yield* ask({ password: canary })
      expect(password.err).toMatch(/^aquifer: AuthenticationError .*Check the user and the password\.\n$/)
      const database = yield* aquifer(["demo", "--url", urlWith(adminUrl(), { database: "no_such_db" })], { cwd })
      expect(readable(database, 1)).toMatch(/DatabaseNotFound .*no_such_db.* does not exist/)
      const wrong = yield* aquifer(["demo", "--url", urlWith(url, { password: canary })], { cwd })
      expect(readable(wrong, 1)).toMatch(/AuthenticationError/)
    })
  )
})

const halfway = {
  "0001_first.sql": "-- migrate:up\nCREATE TABLE one (id INTEGER);\n-- migrate:down\nDROP TABLE one;\n",
  "0002_second.sql": "-- migrate:up\nCREATE TABLE two (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
}

describe("a migration that fails half-way", () => {
  const folder = Effect.tap(freshFolder, (cwd) =>
    Effect.promise(async () => {
      await fs.mkdir(path.join(cwd, "migrations"))
      for (const [name, text] of Object.entries(halfway)) await fs.writeFile(path.join(cwd, "migrations", name), text)
    })
  )

  it.scopedLive("leaves nothing of itself on PostgreSQL, and what came before it stays", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const url = yield* freshDatabase
      const ended = yield* aquifer(["migrate", "up"], { cwd, env: { DATABASE_URL: url } })
      expect(readable(ended, 1)).toMatch(/0002_second .*nowhere/)
      const found = yield* query(url, "SELECT to_regclass('one') AS one, to_regclass('two') AS two")
      expect(found).toEqual([{ one: "one", two: null }])
      const status = yield* aquifer(["migrate", "status", "--json"], { cwd, env: { DATABASE_URL: url } })
      expect(status).toMatchObject({ code: 3, err: "" })
      expect(JSON.parse(status.out)).toMatchObject({ applied: 1, pending: 1 })
    })
  )

  it.scopedLive("leaves nothing of itself on SQLite, and goes on when it is corrected", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const settings = { cwd, env: { DATABASE_URL: "sqlite:half.db" } }
      expect(readable(yield* aquifer(["migrate", "up"], settings), 1)).toMatch(/0002_second .*nowhere/)
      yield* Effect.promise(() =>
        fs.writeFile(path.join(cwd, "migrations/0002_second.sql"), "-- migrate:up\nCREATE TABLE two (id INTEGER);\n")
      )
      const ended = yield* aquifer(["migrate", "up", "--json"], settings)
      expect(ended).toMatchObject({ code: 0, err: "" })
      expect(JSON.parse(ended.out)).toMatchObject({ applied: [{ id: "0002" }], already: 1 })
    })
  )
})
