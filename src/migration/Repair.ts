/**
 * Settles what files and ledger disagree about, by changing the ledger alone: the person who says so has looked at the
 * database. Nothing of a revision is run.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { MigrationError } from "../model/MigrationError.js"
import { desk, type Failure, type Options, underLock } from "./Desk.js"
import type { Entry } from "./Ledger.js"
import { label } from "./Revision.js"

/** Revisions by id, or by id and name. @since 0.1.0 @category models */
export interface Repairs {
  /** Their files were changed and that means nothing: take the new checksums. */
  readonly accept?: ReadonlyArray<string> | undefined
  /** They stopped half-way and were finished by hand. */
  readonly applied?: ReadonlyArray<string> | undefined
  /** They stopped half-way and were undone by hand, or their files are gone for good. */
  readonly forget?: ReadonlyArray<string> | undefined
}

/** The rows it changed, as they were. @since 0.1.0 @category running */
export const repair = (options: Options & Repairs): Effect.Effect<ReadonlyArray<Entry>, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* desk(options)
    return yield* underLock(at, ({ ledger, own }, entries) =>
      Effect.gen(function* () {
        const meant = Effect.fnUntraced(function* (names: ReadonlyArray<string> | undefined) {
          const found: Array<Entry> = []
          for (const name of names ?? []) {
            const entry = entries.find((entry) => entry.id === name || label(entry) === name)
            if (entry === undefined) return yield* unknown(name)
            found.push(entry)
          }
          return found
        })
        const accept = yield* meant(options.accept)
        const applied = yield* meant(options.applied)
        const forget = yield* meant(options.forget)
        const finishedAt = new Date(yield* Clock.currentTimeMillis)
        const checksum = (entry: Entry) => at.graph.byId.get(entry.id)?.checksum ?? entry.checksum
        yield* Effect.forEach(accept, (entry) => ledger.update(own, entry.id, { checksum: checksum(entry) }))
        yield* Effect.forEach(applied, (entry) =>
          ledger.update(own, entry.id, {
            state: "applied",
            checksum: checksum(entry),
            finishedAt: entry.finishedAt ?? finishedAt,
            error: undefined
          })
        )
        yield* Effect.forEach(forget, (entry) => ledger.remove(own, entry.id))
        return [...accept, ...applied, ...forget]
      })
    )
  })

const unknown = (name: string) =>
  new MigrationError({
    reason: "unknown-revision",
    problem: `the ledger has no revision "${name}"`,
    remedy: "Migrator.status shows what it has"
  })
