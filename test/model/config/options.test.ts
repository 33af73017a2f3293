import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"
import { make, makeProblems, variables } from "./support.js"

const url = "postgres://u:p@h/d"
/** What a program without types may hand over. */
const untyped = (options: Record<string, unknown>) =>
  makeProblems({ url, ...options } as unknown as DatabaseConfig.Options) // the point is that it is none

describe("options", () => {
  it("only the URL is needed, secret or not", () => {
    expect(DatabaseConfig.describeTarget(make({ url }))).toBe("postgres://u:***@h:5432/d")
    expect(DatabaseConfig.describeTarget(make({ url: Redacted.make("sqlite::memory:") }))).toBe("sqlite::memory:")
  })
  it("a bare number is milliseconds, as everywhere in Effect", () => {
    const config = make({
      url,
      connectTimeout: 1500,
      statementTimeout: "2 minutes",
      lockTimeout: Duration.seconds(3),
      pool: { acquireTimeout: [4, 0], maxLifetime: 5000n * 1_000_000n }
    })
    expect(
      [
        config.connectTimeout,
        config.statementTimeout,
        config.lockTimeout,
        config.pool.acquireTimeout,
        config.pool.maxLifetime
      ].map((duration) => Duration.toMillis(duration ?? 0))
    ).toEqual([1500, 120_000, 3000, 4000, 5000])
  })
  it("off, zero and infinity are the same where a limit may be off", () => {
    for (const off of ["off", 0, Duration.zero, Duration.infinity] as const) {
      const config = make({
        url,
        statementTimeout: off,
        idleInTransactionTimeout: off,
        pool: { maxLifetime: off, prePing: off, keepAlive: off }
      })
      expect([config.statementTimeout, config.idleInTransactionTimeout]).toEqual([undefined, undefined])
      expect([config.pool.maxLifetime, config.pool.prePing, config.pool.keepAlive].some(Duration.isFinite)).toBe(false)
    }
  })
  it("pre-ping is a flag, a word or a duration", () => {
    const idle = (prePing: boolean | "always" | number) => make({ url, pool: { prePing } }).pool.prePing
    expect(Duration.toMillis(idle(true))).toBe(1000)
    expect(Duration.isFinite(idle(false))).toBe(false)
    expect(Duration.toMillis(idle("always"))).toBe(0)
    expect(Duration.toMillis(idle(1))).toBe(1)
  })
  it("everything else arrives as it was given", () => {
    const upper = (name: string) => name.toUpperCase()
    const config = make({
      url: "sqlite:x.db",
      profile: "production",
      pool: {
        size: 2,
        maxOverflow: 3,
        onConnect: ["PRAGMA cache_size = 10"],
        resetOnReturn: "discard",
        queueTarget: 50,
        leakThreshold: 60
      },
      retry: {
        connection: { maxRetries: 1, baseDelay: 5, factor: 3, maxDelay: 50, jitter: "none" },
        conflict: { jitter: "equal" }
      },
      applicationName: "me",
      tablePrefix: "t",
      prepare: false,
      connect: "lazy",
      functions: { upper },
      transformQueryNames: upper,
      transformResultNames: upper,
      transformJson: false,
      spanAttributes: { team: "a" }
    })
    expect(config).toMatchObject({
      profile: "production",
      pool: { size: 2, maxOverflow: 3, onConnect: ["PRAGMA cache_size = 10"], resetOnReturn: "discard" },
      retry: {
        connection: { maxRetries: 1, factor: 3, jitter: "none" },
        conflict: { maxRetries: 10, jitter: "equal" }
      },
      applicationName: "me",
      tablePrefix: "t",
      prepare: false,
      connect: "lazy",
      functions: { upper },
      transformQueryNames: upper,
      transformResultNames: upper,
      transformJson: false,
      spanAttributes: { team: "a" }
    })
  })
  it.each([
    ["verify-full", "verify-full"],
    [true, "require"],
    [false, "disable"],
    [{ mode: "require" }, "require"],
    [{ rootCert: "system" }, "verify-full"]
  ] as const)("ssl: %j is sslmode %s", (ssl, mode) => {
    expect(make({ url, ssl }).target.tls.mode).toBe(mode)
  })
  it("ssl wins over the URL, field by field", () => {
    const { tls } = make({ url: `${url}?sslmode=allow`, ssl: { mode: "require" } }).target
    expect(tls.mode).toBe("require")
    expect(
      make({ url: `${url}?sslmode=verify-full&sslrootcert=system`, ssl: { rootCert: "system" } }).target.tls
    ).toMatchObject({ mode: "verify-full" })
  })

  it("replicas are targets of their own, and options over TLS hold for them too", () => {
    const config = make({
      url,
      replicaUrls: ["postgres://r1/d?sslmode=disable", Redacted.make("postgres://r2/d")],
      ssl: "require"
    })
    expect(config.replicas.map(({ hosts, tls }) => [hosts[0]?.host, tls.mode])).toEqual([
      ["r1", "require"],
      ["r2", "require"]
    ])
  })
  it("the profile comes from the environment unless it is an option; nothing else does", () => {
    const outside = { DB_ENV: "prod", DB_POOL_SIZE: "99", DATABASE_PASSWORD: "x" }
    expect(make({ url: "postgres://h/d" }, outside)).toMatchObject({ profile: "production", pool: { size: 10 } })
    expect(make({ url: "postgres://h/d" }, outside).target.password).toBeUndefined()
    expect(make({ url, profile: "test" }, outside).profile).toBe("test")
  })
  it("a configuration cannot be changed", () => {
    const config = make({ url }) as { profile: string } // only a cast makes it writable
    expect(() => {
      config.profile = "test"
    }).toThrow(TypeError)
  })
})

describe("every kind of problem names its option", () => {
  it.each<readonly [Record<string, unknown>, string]>([
    [{ url: undefined }, "url: expected a URL such as"],
    [{ url: 5 }, "url: expected a text"],
    [{ url: "x" }, "url: expected a URL such as"],
    [{ pool: { size: 0 } }, "pool.size: expected a whole number of at least 1; found 0"],
    [{ pool: { size: -1 } }, "pool.size: expected a whole number of at least 1; found -1"],
    [{ pool: { size: 1.5 } }, "pool.size: expected a whole number of at least 1; found 1.5"],
    [{ pool: { size: Number.NaN } }, "pool.size: expected a whole number of at least 1; found NaN"],
    [
      { pool: { maxOverflow: Number.POSITIVE_INFINITY } },
      "pool.maxOverflow: expected a whole number of at least 0; found Infinity"
    ],
    [{ pool: { acquireTimeout: 0 } }, "pool.acquireTimeout: expected a duration"],
    [{ pool: { acquireTimeout: Duration.infinity } }, "pool.acquireTimeout: expected a duration"],
    [{ pool: { acquireTimeout: Number.NaN } }, "pool.acquireTimeout: expected a duration"],
    [{ pool: { maxLifetime: -5 } }, "pool.maxLifetime: expected a duration"],
    [{ pool: { onConnect: "SELECT 1" } }, "pool.onConnect: expected a list of statements"],
    [{ connectTimeout: {} }, "connectTimeout: expected a duration"],
    [{ statementTimeout: "60 days" }, "statementTimeout: expected a duration"],
    [{ retry: { conflict: { factor: 0.5 } } }, "retry.conflict.factor: expected a number of at least 1; found 0.5"],
    [{ retry: { conflict: { jitter: "some" } } }, "retry.conflict.jitter: expected one of full, equal, none"],
    [
      { retry: { connection: { baseDelay: 10, maxDelay: 5 } } },
      "retry.connection.maxDelay: expected at least the first delay, 10ms; found 5ms"
    ],
    [{ ssl: "tls" }, 'ssl: expected one of disable, allow, prefer, require, verify-ca, verify-full; found "tls"'],
    [{ ssl: { mode: "tls" } }, "ssl.mode: expected one of disable"],
    [{ ssl: { mode: "verify-full", rootCert: "/no/such" } }, 'ssl.rootCert: the file "/no/such" does not exist'],
    [{ functions: { f: () => 1 } }, "functions: functions can only be added to SQLite"],
    [{ functions: { f: 1 } }, "functions: expected functions by name"],
    [{ transformQueryNames: "upper" }, "transformQueryNames: expected a function"],
    [{ replicaUrls: ["sqlite:x"] }, "replicaUrls[0]: expected a postgres:// or cockroachdb:// URL"],
    [{ replicaUrls: [5] }, "replicaUrls[0]: expected a URL"],
    [{ profile: "staging" }, "profile: expected one of production, development, test"],
    [{ pooler: "session" }, "pooler: expected one of none, transaction"],
    [{ applicationName: "é".repeat(32) }, "applicationName: expected a name of at most 63 bytes"]
  ])("%j", (options, expected) => {
    const found = untyped(options)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(expected)
  })
  it("every problem at once, an unknown DB_ENV too", () => {
    const found = makeProblems({ url: "x", pool: { size: 0, acquireTimeout: 0 }, connectTimeout: 0 }, { DB_ENV: "x" })
    expect(found.map((line) => line.slice(0, line.indexOf(":")))).toEqual([
      "url",
      "DB_ENV",
      "pool.size",
      "pool.acquireTimeout",
      "connectTimeout"
    ])
  })
})

describe("options made of Configs", () => {
  const wrapped: Config.Config.Wrap<DatabaseConfig.Options> = {
    url: Config.redacted("MY_URL"),
    pool: { size: Config.integer("MY_SIZE"), acquireTimeout: Config.duration("MY_WAIT") },
    functions: { twice: Config.succeed((x: number) => x * 2) }
  }
  const run = (values: Readonly<Record<string, string>>) =>
    Effect.runSync(Effect.either(Effect.withConfigProvider(DatabaseConfig.fromConfig(wrapped), variables(values))))

  it("are unwrapped and decoded", () => {
    expect(run({ MY_URL: "sqlite:x.db", MY_SIZE: "3", MY_WAIT: "5 seconds" })).toMatchObject({
      _tag: "Right",
      right: { target: { database: "x.db" }, pool: { size: 3 } }
    })
  })
  it("tell what is missing, all at once", () => {
    const result = run({})
    const text = result._tag === "Left" ? DatabaseConfig.explain(result.left) : ""
    expect(text).toContain("MY_URL")
    expect(text).toContain("MY_SIZE")
    expect(text).toContain("MY_WAIT")
  })
})
