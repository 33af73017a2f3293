/**
 * The end of an effect: its row and COMMIT, which nobody waits for alone. The first statement of the next one takes it along
 * in its own message, so that the server is spoken to as often as if there were one transaction around all of them; where
 * that statement does not come at once, the end leaves by itself. The server does nothing behind what it refuses, so a
 * statement that was answered says that the end in front of it holds.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { DriverConnection, Reply, Request } from "../Dialect.js"
import { type DatabaseError, TransactionAborted } from "../model/DatabaseError.js"
import { type Failure, type Task, undo } from "./Task.js"
import { close, commitLost } from "./Whole.js"
import type { Sending } from "./watch.js"

/** How the end is to be told from what comes behind it in a message. */
const between = "\n;\n"

/** Row and COMMIT are answered one by one. */
const own = 2

type State =
  /** Not sent. */
  | { readonly _tag: "here" }
  | { readonly _tag: "alone"; readonly arrived: Fiber.Fiber<void, Failure> }
  /** In front of a statement; where that was refused, nobody knows yet which of the two it was. */
  | { readonly _tag: "along"; readonly refusal: DatabaseError | undefined }
  | { readonly _tag: "through" }

/** @since 0.1.0 @category models */
export class Leaving implements Sending {
  private state: State = { _tag: "here" }
  private readonly session: DriverConnection

  constructor(
    readonly task: Task,
    private readonly text: string
  ) {
    this.session = task.run.own
    // What holds the transaction open any longer holds its locks: an import, say, or anything else before a statement.
    process.nextTick(() => this.leave())
  }

  /** The first statement of the next one, and those behind it. */
  run(request: Request): Effect.Effect<Reply, DatabaseError> {
    return Effect.suspend(() => {
      // What has no parameters may travel as a text; its answer is the last.
      if (this.state._tag === "here" && request.params.length === 0 && request.rows === "objects") {
        const begin = request.begin === undefined ? [] : [request.begin]
        return Effect.map(this.along(begin, request.text), (replies) => replies.at(-1) ?? nothing)
      }
      return this.behind(this.session.run(request))
    })
  }

  script(text: string): Effect.Effect<ReadonlyArray<Reply>, DatabaseError> {
    return Effect.suspend(() =>
      this.state._tag === "here" ? this.along([], text) : this.behind(this.session.script(text))
    )
  }

  /** How it ended; where a refusal may have been the statement's behind it, both are undone, and the ledger tells. */
  get ended(): Effect.Effect<Exit.Exit<void, Failure>> {
    switch (this.state._tag) {
      case "through":
        return Effect.succeed(Exit.void)
      case "along":
        return this.lookUp(this.state.refusal)
      default:
        return Fiber.await(this.leave() ?? Fiber.void)
    }
  }

  private leave(): Fiber.Fiber<void, Failure> | undefined {
    if (this.state._tag === "here") {
      this.state = { _tag: "alone", arrived: Effect.runFork(close(this.task, this.text)) }
    }
    return this.state._tag === "alone" ? this.state.arrived : undefined
  }

  private along(begin: ReadonlyArray<string>, text: string) {
    this.state = { _tag: "along", refusal: undefined }
    const front = [this.text, ...begin, ""].join(between)
    return Effect.mapBoth(this.session.script(front + text), {
      onFailure: (error) => {
        this.state = { _tag: "along", refusal: error }
        return counted(error, front)
      },
      onSuccess: (replies) => {
        this.state = { _tag: "through" }
        return replies.slice(own)
      }
    })
  }

  /** A statement that was answered although the end before it failed has been in vain, and no code may go on from it. */
  private behind<A>(effect: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> {
    if (this.state._tag === "through") return effect
    const arrived = this.leave()
    if (arrived === undefined) return Effect.fail(inVain)
    return Effect.zipLeft(
      effect,
      Effect.flatMap(Fiber.await(arrived), (exit) => {
        if (Exit.isFailure(exit)) return Effect.fail(inVain)
        this.state = { _tag: "through" }
        return Effect.void
      })
    )
  }

  private lookUp(refusal: DatabaseError | undefined): Effect.Effect<Exit.Exit<void, Failure>> {
    const { direction, node, run } = this.task
    const error: Failure = refusal ?? inVain
    const there = Effect.map(
      run.ledger.read(this.session),
      (entries) => entries.some(({ id }) => id === node.id) === (direction === "up")
    )
    return Effect.flatMap(
      undo(this.session, run.connections.dialect.transaction.rollback),
      (): Effect.Effect<Exit.Exit<void, Failure>> => {
        if (this.session.status() === "broken") return Effect.succeed(Exit.fail(commitLost(this.task, error)))
        // A ledger that cannot be read could not be written, either.
        const through = Effect.orElseSucceed(there, () => false)
        return Effect.map(through, (through) => (through ? Exit.void : Exit.fail(error)))
      }
    )
  }
}

/** The server counts from where the message begins, and whoever reads it from where the statement does. */
const counted = (error: DatabaseError, front: string): DatabaseError => {
  const position = (error.position ?? 0) - Array.from(front).length
  return position > 0 ? Object.assign(error, { position }) : error
}

const nothing: Reply = { rows: [], tag: "", count: null, raw: undefined }

const inVain = new TransactionAborted({
  operation: "execute",
  reason: "the revision before it could not be committed, so nothing of this one is kept"
})
