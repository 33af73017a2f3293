import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"
import { file, fileProblems, variables, withFolder } from "./support.js"

const described = async (name: string, text: string) => DatabaseConfig.describeTarget(await file(name, text))
const passwordOf = async (name: string, text: string) => {
  const { password } = (await file(name, text)).target
  return password && Redacted.value(password)
}

describe("each format says the same", () => {
  const texts: ReadonlyArray<readonly [string, string]> = [
    [".env", "DATABASE_URL=postgres://u:p@h/d\nDB_POOL_SIZE=7\n"],
    [".env.local", "export DATABASE_URL='postgres://u:p@h/d' # the database\nDB_POOL_SIZE = 7 # many\n"],
    ["app.env", '\uFEFFDATABASE_URL="postgres://u:p@h/d"\r\nDB_POOL_SIZE=7\r\n'],
    ["c.yaml", "database:\n  url: postgres://u:p@h/d\n  pool_size: 7\n"],
    ["c.yml", "DATABASE_URL: postgres://u:p@h/d\ndb_pool_size: 7\n"],
    ["c.json", '{ "database": { "url": "postgres://u:p@h/d", "pool": { "size": 7 } } }'],
    ["root.json", '{ "url": "postgres://u:p@h/d", "pool": { "size": 7 } }'],
    ["c.ini", "[DEFAULT]\ndb_url = postgres://u:p@h/d\ndb_pool_size = 7   # many\n"],
    ["c.conf", "DATABASE_URL=postgres://u:p@h/d\n; a comment\n[database]\npool_size: 7\n"],
    ["c.cfg", '[database]\nurl = "postgres://u:p@h/d" ; the database\npool-size = 7\n'],
    ["c.toml", '[database]\nurl = "postgres://u:p@h/d"\npool = { size = 7 }\n'],
    ["C.TOML", '[db]\nurl = "postgres://u:p@h/d"\npoolSize = 7\n']
  ]
  it.each(texts)("%s", async (name, text) => {
    const config = await file(name, text)
    expect(DatabaseConfig.describeTarget(config)).toBe("postgres://u:***@h:5432/d")
    expect(config.pool.size).toBe(7)
  })
})

describe("older spellings", () => {
  const settings = `[DEFAULT]
db_url = postgresql://user:pass@your-cluster-host:26257/your_db?sslmode=verify-full
db_min_connections = 5      # Minimum connections in pool
db_max_connections = 20     # Maximum connections in pool
db_connection_timeout = 11  # Connection timeout in seconds
db_statement_timeout = 31   # Statement timeout in seconds
`
  it("settings.conf with db_url, minimum, maximum and timeouts in seconds", async () => {
    const config = await file("settings.conf", settings)
    expect(DatabaseConfig.describeTarget(config)).toBe("postgres://user:***@your-cluster-host:26257/your_db")
    expect(config.target.tls.mode).toBe("verify-full")
    expect(config.pool).toMatchObject({ size: 5, maxOverflow: 15 })
    expect(Duration.toMillis(config.connectTimeout)).toBe(11_000)
    expect(Duration.toMillis(config.statementTimeout ?? 0)).toBe(31_000)
  })
  it("config.yml with the parts of a database and its prefix", async () => {
    const config = await file(
      "config.yml",
      "server:\n  host: 0.0.0.0\n  port: 8000\ndatabase:\n  host: localhost\n  port: 5432\n  username: postgres\n  password: 0123\n  database: myapp\n  table_prefix: shop\n"
    )
    expect(DatabaseConfig.describeTarget(config)).toBe("postgres://postgres:***@localhost:5432/myapp")
    expect(config.target.password && Redacted.value(config.target.password)).toBe("0123")
    expect(config.tablePrefix).toBe("shop")
  })
  it.each([
    ["db_min_connections = 5", 5, 10],
    ["db_max_connections = 20", 5, 15],
    ["db_max_connections = 3", 3, 0],
    ["db_min_connections = 0\ndb_max_connections = 4", 1, 3],
    ["db_min_connections = 5\ndb_max_connections = 20\ndb_pool_size = 2", 2, 18]
  ])("%j is %i + %i", async (lines, size, maxOverflow) => {
    expect((await file("x.ini", `db_url = sqlite:x\n${lines}\n`)).pool).toMatchObject({ size, maxOverflow })
  })
  it("a minimum above the maximum is a problem", async () => {
    const found = await fileProblems("x.ini", "db_url = sqlite:x\ndb_min_connections = 9\ndb_max_connections = 3\n")
    expect(found.join()).toMatch(/^db_min_connections: expected at most the 3 of the maximum; found 9 \(in .*x\.ini\)$/)
  })
  it("a variable's own name wins over an older one", async () => {
    expect(await described("x.yaml", "db_url: sqlite:old\nDATABASE_URL: sqlite:new\n")).toBe("sqlite:new")
  })
})

describe("a password survives its format", () => {
  it.each([
    [".env", "DATABASE_TYPE=postgres\nDATABASE_NAME=d\nDATABASE_PASSWORD=a#b;c\\d$e\n", "a#b;c\\d$e"],
    [".env", "DATABASE_TYPE=postgres\nDATABASE_NAME=d\nDATABASE_PASSWORD='a #b'\n", "a #b"],
    [".env", 'DATABASE_TYPE=postgres\nDATABASE_NAME=d\nDATABASE_PASSWORD="a\\"b\nc" # two lines\n', 'a"b\nc'],
    ["x.ini", "[database]\nhost=h\nname=d\npassword = a#b;c\\d\\\\e   # comment\n", "a#b;c\\d\\\\e"],
    ["x.ini", '[database]\nhost=h\nname=d\npassword = "a # b" ; comment\n', "a # b"],
    ["x.ini", "[database]\nhost=h\nname=d\npassword = true\n", "true"],
    ["x.ini", "[database]\nhost=h\nname=d\npassword = null\n", "null"],
    ["x.yaml", "database: { host: h, name: d, password: 007 }\n", "007"],
    ["x.yaml", "database: { host: h, name: d, password: yes }\n", "yes"],
    ["x.yaml", "x: &x { host: h, name: d }\ndatabase:\n  <<: *x\n  password: 'a: b'\n", "a: b"],
    ["x.json", '{"database": {"host": "h", "name": "d", "password": 12}}', "12"],
    ["x.toml", "[database]\nhost = 'h'\nname = 'd'\npassword = 'a\\b'\n", "a\\b"]
  ])("%s %j", async (name, text, expected) => expect(await passwordOf(name, text)).toBe(expected))
})

describe("precedence", () => {
  it("the file alone says where the database is, whatever the environment says", async () => {
    const outside = { DATABASE_URL: "sqlite:other", DB_POOL_SIZE: "99", DATABASE_HOST: "other" }
    const config = await file(".env", "DATABASE_URL=sqlite:mine\n", outside)
    expect(config.target.database).toBe("mine")
    expect(config.pool.size).toBe(5)
  })
  it("the profile is the file's, else the environment's", async () => {
    expect((await file("x.yaml", "db_url: sqlite:x\nenvironment: prod\n", { DB_ENV: "test" })).profile).toBe(
      "production"
    )
    expect((await file("x.yaml", "db_url: sqlite:x\n", { DB_ENV: "test" })).profile).toBe("test")
  })
  it("names of other things at the root are not the database's", async () => {
    expect(await fileProblems(".env", "HOST=0.0.0.0\nPORT=3000\nNAME=app\n")).toHaveLength(1)
    expect(await described("x.yaml", "url: https://app\nport: 3000\ndatabase: { url: 'sqlite:x' }\n")).toBe("sqlite:x")
  })
})

describe("a file that will not do is named, with what to do, and never quoted", () => {
  const canary = "canary-hunter2"
  it.each([
    [".env", `A=1\n${canary}\n`, "line 2: expected NAME=value"],
    [".env", `A=1\nPASSWORD="${canary}\n`, 'line 2: expected one closing "'],
    [".env", `PASSWORD="x" ${canary}\n`, "line 1: expected one closing"],
    ["x.yaml", `a:\n  password: ${canary}\n b: "${canary}\n`, "expected YAML ("],
    ["x.yaml", `- ${canary}\n`, "expected settings by name"],
    ["x.json", `{\n"password": "${canary}",\n}`, "expected JSON"],
    ["x.json", `"${canary}"`, "expected settings by name"],
    ["x.json", `{ "password": ${canary} }`, "expected JSON"],
    ["x.ini", `[database]\n${canary}\n`, "line 2: expected [section], name = value or a comment"],
    ["x.toml", `[database]\npassword = ${canary}\n`, "line 2, column"],
    ["x.txt", `password=${canary}\n`, "unknown kind of configuration file; expected .env, .yaml"]
  ])("%s %j", async (name, text, expected) => {
    const found = await fileProblems(name, text)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(name)
    expect(found[0]).toContain(expected)
    expect(found[0]).not.toContain(canary)
  })
  it("an alias bomb ends as a malformed file", async () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh"
        .split("")
        .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[index]}`).join(",")}]`)
    ]
    expect(await fileProblems("x.yaml", bomb.join("\n"))).toEqual([
      expect.stringContaining("expected YAML whose aliases end")
    ])
  })
  const explained = (path: string) => Effect.map(Effect.flip(DatabaseConfig.fromFile(path)), DatabaseConfig.explain)
  it("a missing file, a folder and a huge file", () =>
    withFolder(async (folder) => {
      mkdirSync(join(folder, "x.json"))
      writeFileSync(join(folder, "big.json"), Buffer.alloc(1_048_577))
      const run = (name: string) => Effect.runPromise(explained(join(folder, name)))
      expect(await run("gone.yaml")).toBe(
        `${join(folder, "gone.yaml")}: cannot read the configuration file: there is no such file; create it or give another path`
      )
      expect(await run("x.json")).toContain("it is a folder; give the path of a file in it")
      expect(await run("big.json")).toContain("it is larger than 1 MiB")
    }))
  it("an unreadable file (a superuser may read any, and hears what is missing in it)", () =>
    withFolder(async (folder) => {
      const path = join(folder, "x.json")
      writeFileSync(path, "{}")
      chmodSync(path, 0)
      const expected =
        process.getuid?.() === 0 ? "DATABASE_URL: expected a URL" : "this user may not read it; change its permissions"
      expect(await Effect.runPromise(explained(path))).toContain(expected)
    }))
  it("a problem in a file carries the name it has there, and the file", async () => {
    const found = await fileProblems("x.yaml", "database:\n  url: sqlite:x\n  pool:\n    size: none\n  DB_SSL: maybe\n")
    expect(found).toEqual([
      expect.stringMatching(/^database\.DB_SSL: expected one of disable.*found "maybe" \(in .*x\.yaml\)$/),
      expect.stringMatching(
        /^database\.pool\.size: expected a whole number of at least 1; found "none" \(in .*x\.yaml\)$/
      )
    ])
  })
})

describe("a .env file behind the environment", () => {
  const run = (text: string | undefined, outside: Readonly<Record<string, string>>) =>
    withFolder((folder) => {
      const path = join(folder, ".env")
      if (text !== undefined) writeFileSync(path, text)
      return Effect.runSync(
        Effect.either(
          Effect.withConfigProvider(
            Effect.provide(DatabaseConfig.fromEnv, DatabaseConfig.layerDotEnv(path)),
            variables(outside)
          )
        )
      )
    })
  const shown = async (text: string | undefined, outside: Readonly<Record<string, string>>) => {
    const result = await run(text, outside)
    return result._tag === "Left" ? DatabaseConfig.explain(result.left) : DatabaseConfig.describeTarget(result.right)
  }
  it("fills in what the environment leaves out; the environment wins", async () => {
    const text = "DATABASE_URL=sqlite:file\nDB_POOL_SIZE=7\n"
    expect(await shown(text, {})).toBe("sqlite:file")
    expect(await shown(text, { DATABASE_URL: "sqlite:real" })).toBe("sqlite:real")
    const result = await run(text, { DATABASE_URL: "sqlite:real" })
    expect(result).toMatchObject({ right: { pool: { size: 7 } } })
  })
  it("parts in the environment win over a URL in the file", async () => {
    const parts = { DATABASE_TYPE: "postgres", DATABASE_HOST: "real", DATABASE_NAME: "d" }
    expect(await shown("DATABASE_URL=sqlite:file\n", parts)).toBe("postgres://real:5432/d")
  })
  it("a missing file is no problem, a malformed one is", async () => {
    expect(await shown(undefined, { DATABASE_URL: "sqlite:real" })).toBe("sqlite:real")
    expect(await shown("canary\n", { DATABASE_URL: "sqlite:real" })).toMatch(
      /\.env: the configuration file is malformed: line 1: expected NAME=value$/
    )
  })
  it("fromEnvironment takes the one of the working folder", () =>
    withFolder((folder) => {
      writeFileSync(join(folder, ".env"), "DATABASE_URL=sqlite:here\n")
      const before = process.cwd()
      process.chdir(folder)
      try {
        const config = Effect.runSync(Effect.withConfigProvider(DatabaseConfig.fromEnvironment, variables({})))
        expect(config.target.database).toBe("here")
      } finally {
        process.chdir(before)
      }
    }))
  it("its text alone is a provider too", () => {
    expect(DatabaseConfig.dotEnvProvider("canary", "my.env")).toMatchObject({
      _tag: "Left",
      left: { path: ["my.env"] }
    })
    expect(DatabaseConfig.dotEnvProvider("A=1")._tag).toBe("Right")
  })
})
