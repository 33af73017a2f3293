/**
 * Several statements as one group: BEGIN in front of the first, the transaction's id behind the last where that was asked
 * for, one Sync. The server skips whatever stands behind a failure, BEGIN's own included, so nothing can run outside of the
 * transaction it was meant for. Each answer is asked for as it is there: the watchdog's patience is one statement's.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Reply, Request } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import type { Line } from "./line.js"
import { Group, reply, step, UnreadableRow, write } from "./query.js"
import {
  bare,
  beginning,
  type Command,
  failed,
  type Naming,
  operationOf,
  type Setting,
  serialise,
  unreadable
} from "./request.js"
import { commits, question } from "./run.js"

/** More different texts are not prepared: one of them could be evicted by another of the same message. */
const mostNames = 100

type Replies = ReadonlyArray<Reply>

/** @since 0.1.0 @category constructors */
export const batch =
  (line: Line, local: ReadonlyArray<Setting>) =>
  (requests: ReadonlyArray<Request>): Effect.Effect<Replies, DatabaseError.DatabaseError> =>
    Effect.async((resume) => {
      const values = requests.map(({ params, text }) => serialise(text, params, operationOf(text)))
      const unfit = values.find((value) => value instanceof DatabaseError.DataError)
      if (unfit instanceof DatabaseError.DataError) return resume(Effect.fail(unfit))
      const names = new Set(requests.map(({ text }) => text)).size <= mostNames
      const attempt = (again: boolean): void => {
        const refusal = line.refusal("execute")
        if (refusal !== undefined) {
          resume(Effect.fail(refusal))
          return
        }
        const naming =
          (prepare: boolean): Naming =>
          (text) =>
            prepare && names && !again ? line.statements.use(text) : undefined
        const named = naming(requests[0]?.prepare ?? false)
        const before = beginning(requests[0]?.begin, local, named)
        const main = requests.map(({ prepare, rows, text }, index): Command => {
          const command = step(operationOf(text), rows, naming(prepare)(text))
          if (command.columns === undefined) line.notice(text)
          // Checked above: none of them is an error.
          return [command, text, values[index] as Command[2]]
        })
        const asking = requests.at(-1)?.askId === true ? question(requests.map(({ text }) => text).join(" ")) : ""
        const ask: ReadonlyArray<Command> = asking === "" ? [] : [[bare("execute", asking, named), asking, []]]
        const commands = [...before, ...main, ...ask]
        const phase = requests.some(({ text }) => commits(text)) ? "commit" : "statement"
        const group: Group = new Group({
          phase,
          script: false,
          steps: commands.map(([command]) => command),
          begins: before.length > 0,
          reading: line.reading,
          send: (wire) => {
            for (const close of line.statements.takeCloses()) wire.close(close)
            commands.forEach((command, index) => {
              if (index > 0) wire.flush()
              write(wire, ...command)
            })
            wire.sync()
          },
          onStep: () => line.touch(),
          onEnd: ({ error, status }) => {
            if (error === undefined) {
              const id = ask[0]?.[0].rows[0]?.[0] ?? undefined
              return resume(Effect.succeed(main.map(([answered]) => reply(answered, line.reading, id))))
            }
            // A row nobody can read keeps nothing behind it from running, COMMIT included.
            const unread = phase === "commit" && error instanceof UnreadableRow
            const failure = unread ? unreadable("commit", error) : failed(line, group, error)
            const nothingRan = status === "I" && group.at <= before.length
            const resend =
              failure._tag === "StaleStatement" && nothingRan && !again && !group.abandoned && !line.opening()
            if (resend) attempt(true)
            else resume(Effect.fail(failure))
          },
          // Whether a COMMIT in it came to its turn nobody can say.
          onLost: (sent) => resume(Effect.fail(line.failure(phase === "commit" ? "commit" : "execute", phase, sent)))
        })
        line.submit(group)
      }
      attempt(false)
    })
