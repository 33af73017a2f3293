/**
 * Statements and scripts on a line. A statement is one group: BEGIN in front, the transaction's id behind it where that was asked
 * for. Sent a second time in one case only: its prepared form had gone stale outside a transaction, so nothing ran.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Reply, Request } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import type { Line } from "./line.js"
import { Group, reply, step, write } from "./query.js"
import { bare, beginning, failed, type Naming, operationOf, type Setting, serialise } from "./request.js"

/** Its own comment keeps it apart from the same words prepared by somebody who wants to read the answer. */
const askId = "select pg_current_xact_id_if_assigned() /* aquifer */"

/** A transaction that only notifies would get its id while it commits, too late to be asked about: it gets it now. */
const assignId = "select pg_current_xact_id() /* aquifer */"
const notifies = /\b(?:pg_)?notify\b/i

/** What the transaction's id is asked with behind a statement. @since 0.1.0 @category accessors */
export const question = (text: string): string => (notifies.test(text) ? assignId : askId)

/** @since 0.1.0 @category guards */
export const commits = (text: string): boolean => /^\s*commit\b/i.test(text)

/**
 * The effect has nothing to do when it is interrupted: `cancel` says so of all that is under way. An interruption handled here
 * cost a third of a statement, and each answer then outlived two collections of young garbage.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run =
  (line: Line, local: ReadonlyArray<Setting>) =>
  (request: Request): Effect.Effect<Reply, DatabaseError.DatabaseError> =>
    Effect.async((resume) => {
      const values = serialise(request.text, request.params, "execute")
      if (values instanceof DatabaseError.DataError) return resume(Effect.fail(values))
      const attempt = (again: boolean): void => {
        // The second time without a name: whatever made the first one stale cannot touch it.
        const named: Naming = (text) => (request.prepare && !again ? line.statements.use(text) : undefined)
        const refusal = line.refusal("execute")
        if (refusal !== undefined) {
          resume(Effect.fail(refusal))
          return
        }
        const before = beginning(request.begin, local, named)
        const main = step("execute", request.rows, named(request.text))
        const asking = request.askId === true ? question(request.text) : ""
        const ask = asking === "" ? undefined : bare("execute", asking, named)
        if (main.columns === undefined) line.notice(request.text)
        const group: Group = new Group({
          phase: commits(request.text) ? "commit" : "statement",
          script: false,
          steps:
            before.length === 0 && ask === undefined
              ? [main]
              : [...before.map(([first]) => first), main, ...(ask === undefined ? [] : [ask])],
          begins: request.begin !== undefined,
          reading: line.reading,
          send: (wire) => {
            for (const close of line.statements.takeCloses()) wire.close(close)
            for (const command of before) write(wire, ...command)
            write(wire, main, request.text, values)
            if (ask !== undefined) write(wire, ask, asking, [])
            wire.sync()
          },
          onEnd: ({ error, status }) => {
            if (error === undefined) {
              return resume(Effect.succeed(reply(main, line.reading, ask?.rows[0]?.[0] ?? undefined)))
            }
            const failure = failed(line, group, error)
            const nothingRan = status === "I" && group.at <= before.length
            const resend =
              failure._tag === "StaleStatement" && nothingRan && !again && !group.abandoned && !line.opening()
            if (resend) attempt(true)
            else resume(Effect.fail(failure))
          },
          onLost: (sent) => resume(Effect.fail(line.failure("execute", group.phase, sent)))
        })
        line.submit(group)
      }
      attempt(false)
    })

type Replies = Effect.Effect<ReadonlyArray<Reply>, DatabaseError.DatabaseError>

/** Sends several statements as one simple query, at once. @since 0.1.0 @category constructors */
export const sendScript = (line: Line, text: string, operation: string, resume: (replies: Replies) => void): void => {
  const values = serialise(text, [], operation)
  const refusal = values instanceof DatabaseError.DataError ? values : line.refusal(operation)
  if (refusal !== undefined) {
    resume(Effect.fail(refusal))
    return
  }
  line.notice(text)
  const group: Group = new Group({
    phase: operation === "commit" ? "commit" : "statement",
    script: true,
    steps: [],
    operation,
    begins: operation === "begin",
    reading: line.reading,
    send: (wire) => {
      for (const close of line.statements.takeCloses()) wire.close(close)
      wire.query(text)
    },
    onEnd: ({ error }) =>
      resume(
        error === undefined
          ? Effect.succeed(group.steps.map((answered) => reply(answered, line.reading)))
          : Effect.fail(failed(line, group, error))
      ),
    onLost: (sent) => resume(Effect.fail(line.failure(operation, group.phase, sent)))
  })
  line.submit(group)
}

/** `sendScript` as an effect; interrupting it abandons the answer. @since 0.1.0 @category constructors */
export const script =
  (line: Line) =>
  (text: string, operation = operationOf(text)): Replies =>
    Effect.async((resume) => sendScript(line, text, operation, resume))
