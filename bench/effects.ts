/** Loops for code of effects: the work runs inside fibers, as an application's would; nobody crosses into promises per statement. */
import { performance } from "node:perf_hooks"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Database from "../src/Database.js"
import type { Loop } from "./harness.js"

/** A client whose work runs on a runtime of its own. */
export interface Client {
  readonly sql: SqlClient.SqlClient
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  readonly close: () => Promise<void>
}

const open = async <E>(layer: Layer.Layer<SqlClient.SqlClient, E>): Promise<Client> => {
  const runtime = ManagedRuntime.make(layer)
  return {
    sql: await runtime.runPromise(SqlClient.SqlClient),
    run: (effect) => runtime.runPromise(effect),
    close: () => runtime.dispose()
  }
}

/** Ours; ten connections at most, as everybody has. */
export const ours = (url: string, pool: { size: number; maxOverflow: number } = { size: 10, maxOverflow: 0 }) =>
  open(Database.layer({ url, pool, profile: "production" }))

/** `@effect/sql-pg` as it comes. */
export const stock = (url: string) =>
  open(PgClient.layer({ url: Redacted.make(url), maxConnections: 10 }).pipe(Layer.provide(Reactivity.layer)))

/** `@effect/sql-sqlite-node` as it comes. */
export const stockSqlite = (filename: string) => open(SqliteClient.layer({ filename }))

/** As many fibers as `loops`, each doing one after the other. */
export const effects =
  <E>(client: Client, loops: number, once: () => Effect.Effect<unknown, E>): Loop =>
  (until, note) => {
    const fiber = Effect.gen(function* () {
      for (let now = performance.now(); now < until; ) {
        yield* once()
        const then = performance.now()
        note(then - now)
        now = then
      }
    })
    return client.run(
      Effect.all(
        Array.from({ length: loops }, () => fiber),
        { concurrency: "unbounded", discard: true }
      )
    )
  }
