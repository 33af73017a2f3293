/**
 * PGlite programs for a whole test file, because starting one takes seconds: emptied for each database that is asked for, and
 * given back when that is closed. What starting, ending and folders do is tested with programs of their own.
 */
import type { PGlite } from "@electric-sql/pglite"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { type Program, start } from "../../../src/dialect/pglite/engine.js"

const all: Array<PGlite> = []
const free: Array<PGlite> = []

const another = async (): Promise<PGlite> => {
  const { PGlite } = await import("@electric-sql/pglite")
  const made = await PGlite.create("memory://")
  all.push(made)
  return made
}

/** A program with nothing in it, until it is closed. */
export const borrowed: Effect.Effect<Program> = Effect.promise(async () => {
  const program = free.pop() ?? (await another())
  await program.exec("ROLLBACK; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
  await program.exec("DISCARD ALL")
  return {
    execProtocolRaw: (message) => program.execProtocolRaw(message),
    close: async () => {
      free.push(program)
    }
  }
})

/** How many are in use. */
export const lent = (): number => all.length - free.length

/** To be called when the file is done. */
export const end = async (): Promise<void> => {
  for (const program of all) await program.close()
}

/** An empty database in a borrowed program. */
export const onShared = (options: Partial<Database.Options> = {}) =>
  Database.layer({ url: "pglite::memory:", ...options }).pipe(Layer.locally(start, () => borrowed))
