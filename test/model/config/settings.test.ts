import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"

const rows = Object.values<DatabaseConfig.Setting>(DatabaseConfig.settings)

describe("the table of settings", () => {
  it("has a line for each variable, with a meaning and a reason", () => {
    const lines = DatabaseConfig.settingsTable().split("\n")
    expect(lines).toHaveLength(rows.length + 2)
    for (const [index, row] of rows.entries()) {
      expect(lines[index + 2]).toContain(`| \`${row.variable}\` |`)
      expect(lines[index + 2]?.split("|")).toHaveLength(6)
      expect(row.meaning.length * row.reason.length).toBeGreaterThan(0)
    }
    expect(new Set(rows.map((row) => row.variable)).size).toBe(rows.length)
  })
  it("names exactly the variables that are read, besides those that say where we run", () => {
    const asked = new Set<string>()
    const spy = ConfigProvider.mapInputPath(ConfigProvider.fromMap(new Map()), (name) => {
      asked.add(name)
      return name
    })
    Effect.runSync(Effect.either(Effect.withConfigProvider(DatabaseConfig.fromEnv, spy)))
    const place = [
      "NODE_ENV",
      "VITEST_POOL_ID",
      "VITEST_WORKER_ID",
      "PYTEST_XDIST_WORKER",
      "JEST_WORKER_ID",
      "TEST_WORKER_INDEX",
      "NODE_UNIQUE_ID",
      "NODE_APP_INSTANCE"
    ]
    expect([...asked].sort()).toEqual([...rows.map((row) => row.variable), ...place].sort())
  })
  it("gives defaults that mean themselves when they are written down", () => {
    const texts = new Map(
      DatabaseConfig.settingsTable()
        .split("\n")
        .slice(2)
        .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")))
        .filter(([, , text = ""]) => text !== "" && !text.includes(","))
        .map(([, name = "", text = ""]) => [name, text] as const)
        .filter(([name]) => name !== "DATABASE_HOST")
    )
    expect(texts.size).toBeGreaterThan(20)
    const run = (values: ReadonlyMap<string, string>) =>
      Effect.runSync(
        Effect.either(
          Effect.withConfigProvider(
            DatabaseConfig.fromEnv,
            ConfigProvider.fromMap(new Map([["DATABASE_URL", "postgres://h/d"], ...values]))
          )
        )
      )
    const shown = (values: ReadonlyMap<string, string>) => Either.map(run(values), DatabaseConfig.redacted)
    expect(shown(texts)).toEqual(shown(new Map()))
  })
})
