/** A canary password is looked for in everything a configuration or its problems can be printed as. */
import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"
import { env, file, fileError, make, variables } from "./support.js"

const canary = "cAnArY-7391"
const url = `postgres://u:${canary}@h/d`

/** All of the logger's output, by each of Effect's own ways to write a line. */
const logged = (value: unknown): string => {
  const lines: Array<string> = []
  const keep = <O>(logger: Logger.Logger<unknown, O>) =>
    Logger.map(logger, (line) => void lines.push(typeof line === "string" ? line : inspect(line, { depth: Infinity })))
  const layer = Logger.replace(
    Logger.defaultLogger,
    Logger.zip(
      Logger.zip(keep(Logger.stringLogger), keep(Logger.logfmtLogger)),
      Logger.zip(keep(Logger.jsonLogger), keep(Logger.structuredLogger))
    )
  )
  Effect.runSync(
    Effect.log("configured", value).pipe(
      Effect.andThen(Effect.logInfo(value)),
      Effect.annotateLogs("database", value),
      Effect.provide(layer),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
  )
  expect(lines.length).toBe(8)
  return lines.join("\n")
}

const printed = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    JSON.stringify(value, null, 2),
    inspect(value, { depth: Infinity, showHidden: true }),
    inspect(value, { depth: Infinity, showHidden: true, customInspect: false, getters: true }),
    inspect({ ...(value as object) }, { depth: Infinity, showHidden: true }),
    JSON.stringify({ ...(value as object) }),
    Inspectable.toStringUnknown(value),
    Inspectable.format(value as never), // takes any value, its type says an inspectable one
    `${value}`,
    logged(value)
  ].join("\n")

const printedError = (error: Parameters<typeof DatabaseConfig.explain>[0]): string =>
  [
    printed(error),
    DatabaseConfig.explain(error),
    Cause.pretty(Cause.fail(error)),
    inspect(Exit.fail(error), { depth: Infinity }),
    ...(() => {
      try {
        Effect.runSync(Effect.fail(error))
        return []
      } catch (thrown) {
        return [String(thrown), inspect(thrown, { depth: Infinity, showHidden: true }), JSON.stringify(thrown)]
      }
    })()
  ].join("\n")

describe("a configuration never shows its password", () => {
  const parts = `DATABASE_TYPE=postgres\nDATABASE_NAME=d\nDATABASE_USER=u\nDATABASE_PASSWORD=${canary}\n`
  const section = { host: "h", name: "d", user: "u", password: canary }
  it.each<readonly [string, () => DatabaseConfig.DatabaseConfig | Promise<DatabaseConfig.DatabaseConfig>]>([
    ["options", () => make({ url, replicaUrls: [url] })],
    ["a secret option", () => make({ url: Redacted.make(url) })],
    [
      "a URL's query",
      () => make({ url: `postgres://h/d?user=u&password=${canary}&sslpassword=${canary}&token=${canary}` })
    ],
    ["variables", () => env({ DATABASE_URL: url, DATABASE_REPLICA_URLS: url, DB_SSL_PASSWORD: canary })],
    ["parts", () => env({ DATABASE_TYPE: "postgres", DATABASE_NAME: "d", DATABASE_PASSWORD: canary })],
    [".env", () => file(".env", parts)],
    ["YAML", () => file("x.yaml", `database:\n  host: h\n  name: d\n  password: ${canary}\n`)],
    ["JSON", () => file("x.json", JSON.stringify({ database: section }))],
    ["INI", () => file("x.ini", `[DEFAULT]\ndb_url = ${url}\n`)],
    ["TOML", () => file("x.toml", `[database]\nhost = "h"\nname = "d"\npassword = "${canary}"\n`)]
  ])("from %s", async (_, config) => {
    const value = await config()
    const passwords = [value.target.password, value.target.tls.passphrase].map(
      (secret) => secret && Redacted.value(secret)
    )
    expect(passwords).toContain(canary)
    const text = [
      printed(value),
      printed(value.target),
      printed(DatabaseConfig.redacted(value)),
      DatabaseConfig.describeTarget(value)
    ].join("\n")
    expect(text).not.toContain(canary)
    expect(text).toContain("<redacted>")
    expect(text).toContain("postgres://")
  })
  it("nor statements and unknown parameters, which may hold one that nobody marked", () => {
    const config = make({ url: `postgres://h/d?custom=${canary}`, pool: { onConnect: [`SET app.key = '${canary}'`] } })
    expect(
      [
        String(config),
        JSON.stringify(config),
        inspect(config, { depth: Infinity, showHidden: true }),
        logged(config)
      ].join()
    ).not.toContain(canary)
  })
})

describe("a problem never shows a password", () => {
  const fails = (values: Readonly<Record<string, string>>) =>
    Effect.runSync(Effect.flip(Effect.withConfigProvider(DatabaseConfig.fromEnv, variables(values))))
  it.each([
    `mysql://u:${canary}@h/d`,
    `u:${canary}@h/d`,
    `${canary}:x@h/d`,
    `postgres://u:${canary}@h:0/d`,
    `postgres://u:${canary}@h/d?sslmode=x`,
    `postgres://u:${canary}/x@h/d`,
    `postgres://u:x/${canary}@h/d`,
    `postgres://u:x@y/${canary}@h/d`,
    `postgres://u:x@y?${canary}@h/d`,
    `postgres://u:${canary}%ff@h/d`,
    `postgres://${canary}:x:y/d`,
    `postgres://h:${canary}/d`,
    `postgres://u:${canary}\n@h/d`,
    `postgres:u:${canary}@h/d`,
    `sqlite://u:${canary}@h/d`,
    `postgres://u:${canary}@h/d?sslrootcert=/no/such`,
    `host=h password=${canary}`,
    `jdbc:postgresql://h/d?password=${canary}`
  ])("in a bad URL: %j", (bad) => {
    expect(printedError(fails({ DATABASE_URL: bad }))).not.toContain(canary)
    expect(printedError(fails({ DATABASE_URL: url, DATABASE_REPLICA_URLS: bad }))).not.toContain(canary)
    expect(printedError(Effect.runSync(Effect.flip(DatabaseConfig.make({ url: bad }))))).not.toContain(canary)
  })
  it("nor when a URL stands in the wrong variable, or other things are wrong beside it", () => {
    const variablesOfSettings = Object.values(DatabaseConfig.settings).map(({ variable }) => variable)
    for (const variable of variablesOfSettings) {
      const error = fails({
        DATABASE_URL: url,
        DATABASE_TYPE: "x",
        DB_POOL_SIZE: "x",
        [variable]: `http://u:${canary}@h/d`
      })
      expect(printedError(error)).not.toContain(canary)
    }
  })
  it("nor a long text in the wrong variable, which may be a key", () => {
    expect(printedError(fails({ DATABASE_URL: url, DB_POOL_SIZE: `${canary}${"x".repeat(30)}` }))).not.toContain(canary)
  })
  it.each([
    [".env", `DATABASE_URL=${url}\n${canary}\n`],
    [".env", `DATABASE_PASSWORD="${canary}\n`],
    [".env", `DATABASE_URL=postgres://u:${canary}@h:x/d\n`],
    ["x.yaml", `database:\n  password: "${canary}\n  host: h\n`],
    ["x.yaml", `database:\n  password: ${canary}\n   host: h: i\n`],
    ["x.yaml", `database:\n  password: { a: ${canary} }\n  host: h\n  name: d\n  pool_size: x\n`],
    ["x.yaml", `database:\n  password: *${canary}\n`],
    ["x.json", `{"password": "${canary}",}`],
    ["x.json", `{"password": "${canary}`],
    ["x.json", canary],
    ["x.ini", `[DEFAULT]\ndb_url ${url}\n`],
    ["x.ini", `[DEFAULT]\ndb_url = mysql://u:${canary}@h/d\n`],
    ["x.toml", `password = ${canary}\n`],
    ["x.toml", `password = "${canary}\n`],
    ["x.toml", `[database]\nurl = "mysql://u:${canary}@h"\n`],
    ["x.txt", canary]
  ])("in a bad file: %s %j", async (name, text) => {
    expect(printedError(await fileError(name, text))).not.toContain(canary)
  })
})
