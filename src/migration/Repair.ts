/**
 * Settles what files and ledger disagree about, by changing the ledger alone: the person who says so has looked at the
 * database. Nothing of a revision is run.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { MigrationError } from "../model/MigrationError.js"
import { changing, looked, type Options } from "./Desk.js"
import { doneSteps, type Entry, type Fields } from "./Ledger.js"
import { label } from "./Revision.js"
import { atomically, type Failure, now } from "./Task.js"
import { underLock } from "./UnderLock.js"

/** Revisions by id, or by id and name. @since 0.1.0 @category models */
export interface Repairs {
  /** Their files were changed and that means nothing: take them as they are now. */
  readonly accept?: ReadonlyArray<string> | undefined
  /** They stopped half-way and were finished by hand. */
  readonly applied?: ReadonlyArray<string> | undefined
  /** They stopped half-way and were undone by hand, or their files are gone for good. */
  readonly forget?: ReadonlyArray<string> | undefined
  /** The statement at which they stopped, outside of any transaction, is done: the next run goes on behind it. */
  readonly done?: ReadonlyArray<string> | undefined
  /** That statement is not done, or was undone by hand: the next run begins with it. */
  readonly undone?: ReadonlyArray<string> | undefined
}

/** The rows it changed, as they were. @since 0.1.0 @category running */
export const repair = (options: Options & Repairs): Effect.Effect<ReadonlyArray<Entry>, Failure, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const at = yield* changing(options)
    const { graph } = at
    // Nothing is made for a name that no ledger has.
    yield* meant((yield* looked(at)).entries, options)
    return yield* underLock(at, undefined, (run, entries) =>
      Effect.gen(function* () {
        const { ledger, own } = run
        const { accept, applied, done, forget, undone } = yield* meant(entries, options)
        const at = yield* now
        const file = (entry: Entry) => {
          const node = graph.byId.get(entry.id)
          return { checksum: node?.checksum ?? entry.checksum, parents: node?.parents ?? entry.parents }
        }
        const called = (entry: Entry) => {
          const { kind, name } = graph.byId.get(entry.id) ?? entry
          return { kind, name }
        }
        const write = (entry: Entry, fields: Fields) => ledger.update(own, entry.id, fields)
        // One person's word: all of it holds, or nothing.
        yield* atomically(
          run,
          Effect.all(
            [
              ...accept.map((entry) => write(entry, { ...file(entry), ...called(entry) })),
              ...applied.map((entry) =>
                write(entry, {
                  state: "applied",
                  step: doneSteps(entry.step),
                  finishedAt: entry.finishedAt ?? at,
                  error: undefined,
                  ...file(entry)
                })
              ),
              ...done.map((entry) =>
                write(entry, { step: entry.step < 0 ? -entry.step : entry.step, error: undefined })
              ),
              ...undone.map((entry) => write(entry, { step: doneSteps(entry.step), error: undefined })),
              ...forget.map((entry) => ledger.remove(own, entry.id))
            ],
            { discard: true }
          )
        )
        return [...accept, ...applied, ...done, ...undone, ...forget]
      })
    )
  })

/** The rows behind the names. */
const meant = (entries: ReadonlyArray<Entry>, { accept, applied, done, forget, undone }: Repairs) => {
  const those = (names: ReadonlyArray<string> = []) =>
    Effect.forEach(names, (name) => {
      const entry = entries.find((entry) => entry.id === name || label(entry) === name) ?? only(entries, name)
      return entry === undefined ? Effect.fail(unknown(name)) : Effect.succeed(entry)
    })
  return Effect.all({
    accept: those(accept),
    applied: those(applied),
    forget: those(forget),
    done: those(done),
    undone: those(undone)
  })
}

/** By the beginning of an id, where only one has it. */
const only = (entries: ReadonlyArray<Entry>, name: string): Entry | undefined => {
  const close = entries.filter((entry) => name !== "" && label(entry).startsWith(name))
  return close.length === 1 ? close[0] : undefined
}

const unknown = (name: string) =>
  new MigrationError({
    reason: "unknown-revision",
    problem: `the ledger has no revision "${name}"`,
    remedy: "Migrator.status shows what it has"
  })
