/**
 * Where the SQL of migrations that are programs is recorded for a command that needs no database: beside the one that is
 * configured, where it speaks the grammar asked for; else in memory, or where nothing answers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Database from "../../Database.js"
import type * as Lint from "../../migration/Lint.js"
import * as Migrator from "../../migration/Migrator.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import { type Told, told } from "../Command.js"
import { onDatabase } from "../onDatabase.js"

/** No such server is ever asked. */
const nowhere: Readonly<Record<Lint.Product, { readonly url: string; readonly on: "scratch" | "paper" }>> = {
  postgres: { url: "postgres://nobody@localhost/nothing", on: "paper" },
  sqlite: { url: "sqlite::memory:", on: "scratch" }
}

/** @since 0.1.0 @category running */
export const recordings = (
  source: Migrator.Options,
  ids: ReadonlyArray<string>,
  product: Lint.Product,
  config: DatabaseConfig | undefined
): Effect.Effect<ReadonlyArray<Migrator.Program>, Told> => {
  if (ids.length === 0) return Effect.succeed([])
  if (config !== undefined) {
    return onDatabase({ ...config, connect: "lazy" }, Migrator.programs({ ...source, ids, on: "scratch" }))
  }
  const { on, url } = nowhere[product]
  return told(Effect.provide(Migrator.programs({ ...source, ids, on }), Database.layer({ url: url, connect: "lazy" })))
}
