/**
 * Before the first test: a server for all of them, the one named by `TEST_DATABASE_URL` or a private one held by a keeper.
 * After the last, nothing of the run is left. On a server that goes on living, a killed run cannot clean up: each run keeps
 * one session open under its own name, and drops what runs without such a session have left.
 */
import { randomBytes } from "node:crypto"
import pg from "pg"
import type { TestProject } from "vitest/node"
import { startKeeper } from "./startKeeper.js"

declare module "vitest" {
  interface ProvidedContext {
    readonly adminUrl: string
    /** Stands in the name of every database and role this run makes. */
    readonly runName: string
  }
}

const mine = "^aquifer_test_[0-9a-f]{8}_"
const dead = (column: string) => `${column} ~ '${mine}' AND left(${column}, 21) NOT IN
  (SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL)`

const sweep = async (client: pg.Client) => {
  const databases = await client.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE ${dead("datname")}`
  )
  for (const { name } of databases.rows) await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)
  const roles = await client.query<{ name: string }>(`SELECT rolname AS name FROM pg_roles WHERE ${dead("rolname")}`)
  for (const { name } of roles.rows) await client.query(`DROP ROLE IF EXISTS "${name}"`)
}

/** The session by which other runs on the same server see that this one lives. */
const hold = async (url: string, runName: string): Promise<pg.Client> => {
  const session = new pg.Client({ connectionString: url, application_name: runName, connectionTimeoutMillis: 10_000 })
  // Losing it loses no test; the others meet the same server and say what is wrong with it.
  session.on("error", () => undefined)
  await session.connect()
  return session
}

const useGiven = async (url: string, runName: string) => {
  const session = await hold(url, runName)
  await sweep(session)
  return async () => {
    await session.query("SET application_name = ''")
    await sweep(session)
    await session.end()
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const runName = `aquifer_test_${randomBytes(4).toString("hex")}`
  project.provide("runName", runName)
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== "") {
    project.provide("adminUrl", given)
    return useGiven(given, runName)
  }
  const keeper = await startKeeper()
  project.provide("adminUrl", keeper.url)
  // Another run may be given this very server, and drops what belongs to no living run.
  const session = await hold(keeper.url, runName).catch(async (cause) => {
    await keeper.close()
    throw cause
  })
  return async () => {
    await session.end()
    await keeper.close()
  }
}
