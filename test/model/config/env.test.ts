import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"
import { env, envProblems, variables, withFolder } from "./support.js"

const url = "postgres://u:p@h/d"
const with_ = (values: Readonly<Record<string, string>>) => env({ DATABASE_URL: url, ...values })
const problems = (values: Readonly<Record<string, string>>) => envProblems({ DATABASE_URL: url, ...values })
const described = (values: Readonly<Record<string, string>>) => DatabaseConfig.describeTarget(env(values))

describe("profiles", () => {
  it.each([
    ["production", 10, 20, "rollback"],
    ["prod", 10, 20, "rollback"],
    ["development", 5, 10, "rollback"],
    ["dev", 5, 10, "rollback"],
    ["test", 1, 1, "discard"],
    ["testing", 1, 1, "discard"],
    ["PROD", 10, 20, "rollback"]
  ])("DB_ENV=%s is %i + %i, reset on return by %s", (word, size, maxOverflow, resetOnReturn) => {
    expect(with_({ DB_ENV: word, NODE_ENV: "staging" }).pool).toMatchObject({ size, maxOverflow, resetOnReturn })
    expect(with_({ NODE_ENV: word }).pool).toMatchObject({ size, maxOverflow, resetOnReturn })
  })
  it("DB_ENV wins over NODE_ENV, and without both it is development", () => {
    expect(with_({ DB_ENV: "test", NODE_ENV: "production" }).profile).toBe("test")
    expect(with_({}).profile).toBe("development")
    expect(with_({ NODE_ENV: "staging" }).profile).toBe("development")
  })
})

describe("defaults", () => {
  it("are those of the table", () => {
    const config = with_({})
    expect(DatabaseConfig.redacted(config)).toMatchObject({
      pool: {
        size: 5,
        maxOverflow: 10,
        acquireTimeout: "30s",
        maxLifetime: "30m",
        idleTimeout: "10m",
        prePing: "1s",
        keepAlive: "2m",
        queueTarget: "off",
        leakThreshold: "off",
        onConnect: 0
      },
      retry: {
        connection: { maxRetries: 3, baseDelay: "1s", factor: 2, jitter: "equal" },
        conflict: { maxRetries: 10, baseDelay: "10ms", maxDelay: "1s", jitter: "full" }
      },
      connectTimeout: "10s",
      statementTimeout: "30s",
      lockTimeout: "off",
      idleInTransactionTimeout: "1m",
      transactionTimeout: "off",
      applicationName: "aquifer",
      tablePrefix: "app",
      pooler: "none",
      prepare: true,
      connect: "eager",
      transformJson: true
    })
    expect(config.lockTimeout).toBeUndefined()
  })
  it("an empty variable counts as none", () => {
    expect(with_({ DB_POOL_SIZE: "", DB_ENV: " ", DB_SSL: "" }).pool.size).toBe(5)
  })
})

describe("every variable of the table is read", () => {
  it.each<readonly [string, string, (config: DatabaseConfig.DatabaseConfig) => unknown, unknown]>([
    ["DB_POOL_SIZE", "7", (c) => c.pool.size, 7],
    ["DB_MAX_OVERFLOW", "0", (c) => c.pool.maxOverflow, 0],
    ["DB_POOL_TIMEOUT", "30", (c) => Duration.toMillis(c.pool.acquireTimeout), 30_000],
    ["DB_POOL_TIMEOUT", "0.5", (c) => Duration.toMillis(c.pool.acquireTimeout), 500],
    ["DB_POOL_TIMEOUT", "30s", (c) => Duration.toMillis(c.pool.acquireTimeout), 30_000],
    ["DB_POOL_TIMEOUT", "30 seconds", (c) => Duration.toMillis(c.pool.acquireTimeout), 30_000],
    ["DB_POOL_TIMEOUT", "500ms", (c) => Duration.toMillis(c.pool.acquireTimeout), 500],
    ["DB_POOL_TIMEOUT", "5 min", (c) => Duration.toMillis(c.pool.acquireTimeout), 300_000],
    ["DB_POOL_TIMEOUT", "1m30s", (c) => Duration.toMillis(c.pool.acquireTimeout), 90_000],
    ["DB_POOL_TIMEOUT", "1 hour", (c) => Duration.toMillis(c.pool.acquireTimeout), 3_600_000],
    ["DB_POOL_RECYCLE", "3600", (c) => Duration.toMillis(c.pool.maxLifetime), 3_600_000],
    ["DB_POOL_RECYCLE", "0", (c) => Duration.isFinite(c.pool.maxLifetime), false],
    ["DB_POOL_RECYCLE", "-1", (c) => Duration.isFinite(c.pool.maxLifetime), false],
    ["DB_POOL_IDLE_TIMEOUT", "never", (c) => Duration.isFinite(c.pool.idleTimeout), false],
    ["DB_POOL_PRE_PING", "true", (c) => Duration.toMillis(c.pool.prePing), 1000],
    ["DB_POOL_PRE_PING", "false", (c) => Duration.isFinite(c.pool.prePing), false],
    ["DB_POOL_PRE_PING", "0", (c) => Duration.isFinite(c.pool.prePing), false],
    ["DB_POOL_PRE_PING", "1", (c) => Duration.toMillis(c.pool.prePing), 1000],
    ["DB_POOL_PRE_PING", "5s", (c) => Duration.toMillis(c.pool.prePing), 5000],
    ["DB_POOL_PRE_PING", "always", (c) => Duration.toMillis(c.pool.prePing), 0],
    ["DB_POOL_KEEP_ALIVE", "60", (c) => Duration.toMillis(c.pool.keepAlive), 60_000],
    ["DB_POOL_QUEUE_TARGET", "50ms", (c) => Duration.toMillis(c.pool.queueTarget ?? 0), 50],
    ["DB_POOL_LEAK_THRESHOLD", "10", (c) => Duration.toMillis(c.pool.leakThreshold ?? 0), 10_000],
    ["DB_POOL_RESET_ON_RETURN", "discard", (c) => c.pool.resetOnReturn, "discard"],
    ["DB_CONNECT_TIMEOUT", "3", (c) => Duration.toMillis(c.connectTimeout), 3000],
    ["DB_STATEMENT_TIMEOUT", "1.5", (c) => Duration.toMillis(c.statementTimeout ?? 0), 1500],
    ["DB_STATEMENT_TIMEOUT", "0", (c) => c.statementTimeout, undefined],
    ["DB_STATEMENT_TIMEOUT", "off", (c) => c.statementTimeout, undefined],
    ["DB_LOCK_TIMEOUT", "2", (c) => Duration.toMillis(c.lockTimeout ?? 0), 2000],
    ["DB_IDLE_IN_TRANSACTION_TIMEOUT", "off", (c) => c.idleInTransactionTimeout, undefined],
    ["DB_TRANSACTION_TIMEOUT", "60", (c) => Duration.toMillis(c.transactionTimeout ?? 0), 60_000],
    ["DB_MAX_RETRIES", "0", (c) => c.retry.connection.maxRetries, 0],
    ["DB_RETRY_DELAY", "1.0", (c) => Duration.toMillis(c.retry.connection.baseDelay), 1000],
    ["DB_RETRY_DELAY", "60", (c) => Duration.toMillis(c.retry.connection.maxDelay), 60_000],
    ["DB_CONFLICT_RETRIES", "4", (c) => c.retry.conflict.maxRetries, 4],
    ["DB_CONFLICT_DELAY", "20ms", (c) => Duration.toMillis(c.retry.conflict.baseDelay), 20],
    ["DB_APPLICATION_NAME", "billing", (c) => c.applicationName, "billing"],
    ["DB_TABLE_PREFIX", "shop", (c) => c.tablePrefix, "shop"],
    ["DB_POOLER", "transaction", (c) => c.pooler, "transaction"],
    ["DB_PREPARE", "off", (c) => c.prepare, false],
    ["DB_CONNECT", "lazy", (c) => c.connect, "lazy"],
    ["DB_SSL", "verify-full", (c) => c.target.tls.mode, "verify-full"],
    ["DB_SSL", "true", (c) => c.target.tls.mode, "require"],
    ["DB_SSL", "false", (c) => c.target.tls.mode, "disable"],
    ["DB_SSL_ROOT_CERT", "system", (c) => c.target.tls.mode, "verify-full"],
    [
      "DATABASE_REPLICA_URLS",
      "postgres://r1/d postgres://r2/d",
      (c) => c.replicas.map((r) => r.hosts[0]?.host),
      ["r1", "r2"]
    ],
    ["DATABASE_REPLICA_MAX_STALENESS", "90s", (c) => c.maxStaleness, Duration.seconds(90)],
    ["DATABASE_REPLICA_MAX_STALENESS", "0", (c) => c.maxStaleness, undefined]
  ])("%s=%s", (name, value, look, expected) => {
    expect(look(with_({ [name]: value }))).toEqual(expected)
  })

  it("user and password fill in what a replica's URL leaves out, too", () => {
    const { replicas } = with_({
      DATABASE_USER: "app",
      DATABASE_PASSWORD: "secret",
      DATABASE_REPLICA_URLS: "postgres://r1/d postgres://reader:own@r2/d"
    })
    expect(replicas.map(({ password, user }) => [user, password && Redacted.value(password)])).toEqual([
      ["app", "secret"],
      ["reader", "own"]
    ])
  })

  it("certificates are files that must be there", () =>
    withFolder((folder) => {
      const path = join(folder, "x.pem")
      writeFileSync(path, "")
      const { tls } = with_({
        DB_SSL_ROOT_CERT: path,
        DB_SSL_CERT: path,
        DB_SSL_KEY: path,
        DB_SSL_PASSWORD: "x"
      }).target
      expect(tls).toMatchObject({ mode: "prefer", rootCert: path, cert: path, key: path })
      const gone = join(folder, "gone.pem")
      expect(problems({ DB_SSL_ROOT_CERT: gone, DB_SSL_CERT: folder, DB_SSL_KEY: path })).toEqual([
        `DB_SSL_ROOT_CERT: the file "${gone}" does not exist`,
        `DB_SSL_CERT: the file "${folder}" is no file`
      ])
      expect(envProblems({ DATABASE_URL: `postgres://h/d?sslrootcert=${gone}` })).toEqual([
        `DATABASE_URL: sslrootcert: the file "${gone}" does not exist`
      ])
    }))
})

describe("the URL and the variables beside it", () => {
  const rich = `${url}?sslmode=require&connect_timeout=3&statement_timeout=5000&application_name=app&options=-c%20lock_timeout%3D2s%20--transaction_timeout=9000`
  it("what the URL says wins over defaults: seconds to connect, milliseconds for the server's limits", () => {
    const config = env({ DATABASE_URL: rich })
    expect(config.target.tls.mode).toBe("require")
    expect(Duration.toMillis(config.connectTimeout)).toBe(3000)
    expect(Duration.toMillis(config.statementTimeout ?? 0)).toBe(5000)
    expect(Duration.toMillis(config.lockTimeout ?? 0)).toBe(2000)
    expect(Duration.toMillis(config.transactionTimeout ?? 0)).toBe(9000)
    expect(config.applicationName).toBe("app")
  })
  it("a variable wins over the URL", () => {
    const config = env({ DATABASE_URL: rich, DB_SSL: "disable", DB_STATEMENT_TIMEOUT: "7", DB_APPLICATION_NAME: "me" })
    expect(config.target.tls.mode).toBe("disable")
    expect(Duration.toMillis(config.statementTimeout ?? 0)).toBe(7000)
    expect(config.applicationName).toBe("me")
  })
  it("a URL with several hosts passes as one value", () => {
    expect(described({ DATABASE_URL: "postgres://u@h1,h2/d" })).toBe("postgres://u@h1:5432,h2:5432/d")
  })
  it("user and password fill in what the URL leaves out, and nothing else", () => {
    const values = { DATABASE_USER: "v", DATABASE_PASSWORD: "w", DATABASE_HOST: "other", DATABASE_TYPE: "sqlite" }
    expect(described({ DATABASE_URL: "postgres://h/d", ...values })).toBe("postgres://v:***@h:5432/d")
    const { password, user } = env({ DATABASE_URL: url, ...values }).target
    expect([user, password && Redacted.value(password)]).toEqual(["u", "p"])
  })
})

describe("parts", () => {
  const parts = {
    DATABASE_TYPE: "postgresql",
    DATABASE_NAME: "d",
    DATABASE_USER: "u",
    DATABASE_PASSWORD: "p",
    DATABASE_HOST: "h",
    DATABASE_PORT: "6000",
    DATABASE_SSL: "require"
  }
  it.each([
    [parts, "postgres://u:***@h:6000/d"],
    [{ DATABASE_TYPE: "postgres", DATABASE_NAME: "d" }, "postgres://localhost:5432/d"],
    [{ DATABASE_HOST: "h", DATABASE_NAME: "d" }, "postgres://h:5432/d"],
    [{ DATABASE_TYPE: "cockroachdb", DATABASE_NAME: "d", DATABASE_HOST: "h" }, "postgres://h:26257/d"],
    [{ ...parts, DATABASE_HOST: "a,b", DATABASE_PORT: "1,2" }, "postgres://u:***@a:1,b:2/d"],
    [{ ...parts, DATABASE_HOST: "::1" }, "postgres://u:***@[::1]:6000/d"],
    [{ ...parts, DATABASE_TYPE: "sqlite", DATABASE_NAME: "shop" }, "sqlite:shop.db"],
    [{ DATABASE_TYPE: "sqlite", DATABASE_NAME: "shop.sqlite" }, "sqlite:shop.sqlite"],
    [{ DATABASE_TYPE: "sqlite", DATABASE_NAME: ":memory:" }, "sqlite::memory:"],
    [{ DATABASE_TYPE: "pglite", DATABASE_NAME: "folder" }, "pglite:folder"]
  ])("%j", (values, expected) => expect(described(values as Record<string, string>)).toBe(expected))

  it("a password needs no encoding there", () => {
    const { password } = env({ ...parts, DATABASE_PASSWORD: " p@/:%41 " }).target
    expect(password && Redacted.value(password)).toBe(" p@/:%41 ")
  })
  it("DB_SSL wins over DATABASE_SSL", () => {
    expect(env(parts).target.tls.mode).toBe("require")
    expect(env({ ...parts, DB_SSL: "disable" }).target.tls.mode).toBe("disable")
  })
})

describe("the application's name", () => {
  it.each([
    [{}, /^aquifer$/],
    [{ VITEST_POOL_ID: "3" }, /^aquifer_3_\d+$/],
    [{ VITEST_WORKER_ID: "4" }, /^aquifer_4_\d+$/],
    [{ PYTEST_XDIST_WORKER: "gw1" }, /^aquifer_gw1_\d+$/],
    [{ NODE_UNIQUE_ID: "2" }, /^aquifer_2_\d+$/],
    [{ VITEST_POOL_ID: "é".repeat(90) }, /^aquifer__+_\d+$/]
  ])("%j", (values, expected) => {
    const { applicationName } = with_(values as Record<string, string>)
    expect(applicationName).toMatch(expected)
    expect(Buffer.byteLength(applicationName)).toBeLessThanOrEqual(63)
  })
})

describe("every kind of problem names its variable, what was expected and what was found", () => {
  const whole = "expected a whole number of at least"
  it.each([
    ["DB_ENV", "stage", 'expected one of production, development, test; found "stage"'],
    ["DB_POOL_SIZE", "0", `${whole} 1; found "0"`],
    ["DB_POOL_SIZE", "-3", `${whole} 1; found "-3"`],
    ["DB_POOL_SIZE", "2.5", `${whole} 1; found "2.5"`],
    ["DB_POOL_SIZE", "many", `${whole} 1; found "many"`],
    ["DB_POOL_SIZE", "99999999999999999999", `${whole} 1;`],
    ["DB_MAX_OVERFLOW", "-1", `${whole} 0; found "-1"`],
    ["DB_POOL_TIMEOUT", "0", "it cannot be off, because every wait has a limit"],
    ["DB_POOL_TIMEOUT", "off", "it cannot be off"],
    ["DB_POOL_TIMEOUT", "soon", 'found "soon"'],
    ["DB_POOL_TIMEOUT", "5 parsecs", 'found "5 parsecs"'],
    ["DB_POOL_TIMEOUT", "-5", 'found "-5"'],
    ["DB_POOL_TIMEOUT", "30 days", "expected a duration from 1 ms to 24 days"],
    ["DB_STATEMENT_TIMEOUT", "0.0001", "expected a duration from 1 ms to 24 days"],
    ["DB_POOL_RECYCLE", "x", "or off"],
    ["DB_POOL_PRE_PING", "maybe", "expected true, false, always, or a duration"],
    ["DB_POOL_RESET_ON_RETURN", "x", "expected one of rollback, discard"],
    ["DB_CONNECT_TIMEOUT", "0", "it cannot be off"],
    ["DB_MAX_RETRIES", "-1", `${whole} 0`],
    ["DB_RETRY_DELAY", "x", "expected a duration from 0"],
    ["DB_RETRY_DELAY", "off", "expected a duration from 0"],
    ["DB_CONFLICT_RETRIES", "x", `${whole} 0`],
    ["DB_CONFLICT_DELAY", "x", "expected a duration"],
    ["DB_APPLICATION_NAME", "n".repeat(64), "expected a name of at most 63 bytes"],
    ["DB_TABLE_PREFIX", "1; drop", "expected a word of letters, digits and _"],
    ["DB_POOLER", "session", 'expected one of none, transaction; found "session"'],
    ["DB_PREPARE", "perhaps", 'expected true or false; found "perhaps"'],
    ["DB_CONNECT", "later", "expected one of eager, lazy"],
    ["DB_SSL", "maybe", "expected one of disable, allow, prefer, require, verify-ca, verify-full"],
    ["DB_SSL_CERT", "/no/such", "a certificate (sslcert) needs its key"]
  ])("%s=%s", (name, value, expected) => {
    const found = problems({ [name]: value }).join("\n")
    expect(found).toContain(expected)
    expect(found).toMatch(new RegExp(`^${name === "DB_SSL_CERT" ? "DATABASE_URL" : name}: `))
  })

  it.each<readonly [Readonly<Record<string, string>>, string]>([
    [{}, "DATABASE_URL: expected a URL such as postgres://user:password@host:5432/database"],
    [{ DATABASE_URL: "redis://h" }, 'DATABASE_URL: unknown scheme "redis://"'],
    [{ DATABASE_URL: `${url}?connect_timeout=0` }, "DATABASE_URL (connect_timeout): expected a duration"],
    [
      { DATABASE_TYPE: "oracle", DATABASE_NAME: "d" },
      'DATABASE_TYPE: expected one of postgres, cockroachdb, sqlite, pglite; found "oracle"'
    ],
    [{ DATABASE_NAME: "d" }, "DATABASE_TYPE: expected one of"],
    [{ DATABASE_TYPE: "sqlite" }, "DATABASE_NAME: expected the name of the database"],
    [
      { DATABASE_HOST: "h", DATABASE_NAME: "d", DATABASE_PORT: "70000" },
      'DATABASE_PORT: expected a port from 1 to 65535; found "70000"'
    ],
    [
      { DATABASE_HOST: "h", DATABASE_NAME: "d", DATABASE_PORT: "x" },
      'DATABASE_PORT: expected a port from 1 to 65535, or one for each host with commas; found "x"'
    ],
    [
      { DATABASE_HOST: "a,b,c", DATABASE_NAME: "d", DATABASE_PORT: "1,2" },
      "DATABASE_PORT: expected one port, or one for each of the 3 hosts"
    ],
    [{ DATABASE_HOST: "u@h", DATABASE_NAME: "d" }, "DATABASE_HOST: expected a host name"],
    [{ DATABASE_HOST: "h", DATABASE_NAME: "d", DATABASE_SSL: "x" }, "DATABASE_SSL: expected one of disable"],
    [
      { DATABASE_URL: url, DATABASE_REPLICA_URLS: "postgres://r/d sqlite:x" },
      "DATABASE_REPLICA_URLS[1]: expected a postgres:// or cockroachdb:// URL"
    ],
    [{ DATABASE_URL: url, DATABASE_REPLICA_URLS: "x" }, "DATABASE_REPLICA_URLS[0]: expected a URL"],
    [
      { DATABASE_URL: "sqlite:x", DATABASE_REPLICA_URLS: "postgres://r/d" },
      "DATABASE_REPLICA_URLS: a sqlite database has no replicas"
    ],
    [
      { DATABASE_URL: "sqlite:x", DB_POOLER: "transaction" },
      "DB_POOLER: nothing stands between us and a sqlite database"
    ],
    [{ DATABASE_URL: url, DB_SSL: "verify-ca" }, "DATABASE_URL: sslrootcert: verify-ca needs"]
  ])("%j", (values, expected) => {
    const found = envProblems(values)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(expected)
  })

  it("every problem at once", () => {
    const found = envProblems({
      DATABASE_URL: "postgres://h:x/d?sslmode=none",
      DB_ENV: "x",
      DB_POOL_SIZE: "0",
      DB_POOL_TIMEOUT: "x",
      DB_POOLER: "x",
      DB_PREPARE: "x",
      DATABASE_REPLICA_URLS: "x"
    })
    expect(found.map((line) => line.slice(0, line.indexOf(":")))).toEqual([
      "DATABASE_URL",
      "DATABASE_URL",
      "DATABASE_REPLICA_URLS[0]",
      "DB_ENV",
      "DB_POOL_SIZE",
      "DB_POOL_TIMEOUT",
      "DB_POOLER",
      "DB_PREPARE"
    ])
  })
  it("a heading counts the problems, and one problem is one line", () => {
    const explained = (values: Readonly<Record<string, string>>) =>
      DatabaseConfig.explain(
        Effect.runSync(Effect.flip(Effect.withConfigProvider(DatabaseConfig.fromEnv, variables(values))))
      )
    expect(explained({ DB_POOL_SIZE: "x" })).toMatch(
      /^The database configuration has 2 problems:\n {2}- DATABASE_URL: /
    )
    expect(explained({})).not.toContain("\n")
  })
})

describe("as a Config", () => {
  it("a missing database may have a default, a wrong one may not", () => {
    const optional = Config.option(DatabaseConfig.fromEnv)
    const run = (values: Readonly<Record<string, string>>) =>
      Effect.runSync(Effect.either(Effect.withConfigProvider(optional, variables(values))))
    expect(run({})).toMatchObject({ _tag: "Right", right: { _tag: "None" } })
    expect(run({ DATABASE_URL: "x" })).toMatchObject({ _tag: "Left" })
  })
  it("the variables may stand under a prefix", () => {
    const config = Effect.runSync(
      Effect.withConfigProvider(
        Config.nested(DatabaseConfig.fromEnv, "APP"),
        ConfigProvider.fromMap(new Map([["APP_DATABASE_URL", "sqlite:x.db"]]), { pathDelim: "_" })
      )
    )
    expect(config.target.database).toBe("x.db")
  })
})
