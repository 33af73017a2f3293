/**
 * The program a PGlite database is: started once, with the first session, kept over the sessions that follow one another on
 * it, ended with the database's layer. It serves one session at a time; a second is refused. In memory, a program that breaks
 * takes its data along, so it is not quietly replaced by an empty one.
 *
 * @since 0.1.0
 */
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import { ConnectionError, type DatabaseError, DatabaseNotFound, TooManyConnections } from "../../model/DatabaseError.js"
import { type FolderLock, take } from "./lock.js"

/** What is needed of the program. @since 0.1.0 @category models */
export interface Program {
  /** Messages of the protocol in, the server's answers out. */
  readonly execProtocolRaw: (message: Uint8Array) => Promise<Uint8Array>
  readonly close: () => Promise<void>
}

/** Starts a program on a folder, or in memory. @since 0.1.0 @category models */
export type Start = (folder: string) => Effect.Effect<Program, DatabaseError>

/** Another way to start it: a clone, or a program of one's own with extensions. @since 0.1.0 @category references */
export const start: FiberRef.FiberRef<Start | undefined> = FiberRef.unsafeMake<Start | undefined>(undefined)

/** @since 0.1.0 @category guards */
export const isMemory = (database: string): boolean => database === ":memory:"

/** Folders in use by this process: two programs on one would destroy it. */
const folders = new Set<string>()

/** Starting takes about two seconds of work in this very process: nobody is waited for. */
const startLimit = "60 seconds"

const lost = (reason: string, cause?: unknown) =>
  new ConnectionError({ operation: "connect", reason, cause, phase: "connect", sent: false })

const usable = (folder: string): Effect.Effect<void, DatabaseError> =>
  Effect.flatMap(Effect.either(Effect.tryPromise(() => stat(folder))), (found) =>
    found._tag === "Right" && !found.right.isDirectory()
      ? Effect.fail(
          new DatabaseNotFound({
            operation: "connect",
            reason: `${folder} is a file, and a PGlite database is a folder`,
            hint: "Name a folder, which is made where it is not there; its parent must be"
          })
        )
      : Effect.void
  )

/** @since 0.1.0 @category models */
export class Engine {
  private program: Program | undefined
  private occupied = false
  private broken: unknown
  private lock: FolderLock | undefined
  private claimed = false
  private readonly folder: string

  constructor(
    database: string,
    private readonly begin: Start
  ) {
    this.folder = isMemory(database) ? database : resolve(database)
  }

  /** Takes the one session's place. */
  readonly occupy: Effect.Effect<void, DatabaseError> = Effect.suspend(() => {
    if (this.occupied) return Effect.fail(taken("this PGlite database has its one session already"))
    this.occupied = true
    return Effect.void
  })

  /** Its place is free again. */
  leave(): void {
    this.occupied = false
  }

  /** The program, started if it is not. Only who has the place asks. */
  readonly get: Effect.Effect<Program, DatabaseError> = Effect.suspend(() => {
    if (this.broken !== undefined && isMemory(this.folder)) {
      return Effect.fail(lost("the PGlite program has ended, and what it held in memory is gone", this.broken))
    }
    if (this.program !== undefined) return Effect.succeed(this.program)
    return Effect.flatMap(this.claim, () =>
      this.begin(this.folder).pipe(
        Effect.tap((program) =>
          Effect.sync(() => {
            this.program = program
            this.broken = undefined
          })
        ),
        Effect.onError(() => Effect.sync(() => this.unlock()))
      )
    ).pipe(
      // Half a program cannot be given back.
      Effect.uninterruptible,
      Effect.timeoutFail({
        duration: startLimit,
        onTimeout: () => lost(`PGlite did not start within ${startLimit}`)
      })
    )
  })

  private readonly claim: Effect.Effect<void, DatabaseError> = Effect.suspend(() => {
    if (isMemory(this.folder)) return Effect.void
    if (folders.has(this.folder)) {
      return Effect.fail(taken(`the PGlite folder ${this.folder} is open in this process already`))
    }
    folders.add(this.folder)
    this.claimed = true
    return Effect.zipRight(usable(this.folder), take(this.folder)).pipe(
      Effect.flatMap((lock) =>
        Effect.sync(() => {
          this.lock = lock
        })
      ),
      Effect.onError(() => Effect.sync(() => this.unlock()))
    )
  })

  private unlock(): void {
    this.lock?.release()
    this.lock = undefined
    if (this.claimed) folders.delete(this.folder)
    this.claimed = false
  }

  /** It failed in a way no session survives. */
  break(cause: unknown): void {
    this.broken = cause
    this.program = undefined
    this.unlock()
  }

  /** Ends the program; what is in a folder is on the disk then. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const program = this.program
    this.program = undefined
    return Effect.ensuring(
      program === undefined ? Effect.void : Effect.ignore(Effect.tryPromise(() => program.close())),
      Effect.sync(() => this.unlock())
    )
  })
}

const taken = (reason: string) =>
  new TooManyConnections({
    operation: "connect",
    reason,
    hint: "PGlite serves one session: share one layer, or use a PostgreSQL server"
  })
