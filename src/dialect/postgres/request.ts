/**
 * What stands between a request and its messages: values serialised and counted before anything is written, BEGIN with what it
 * brings along, and what a failed group leaves behind.
 *
 * @since 0.1.0
 */
import type { Request } from "../../Dialect.js"
import * as DatabaseError from "../../model/DatabaseError.js"
import { classify } from "./classify.js"
import { prepare, type Wire as Value } from "./encode.js"
import type { Line } from "./line.js"
import type { Prepared } from "./prepared.js"
import { type Group, type Step, step, UnreadableRow } from "./query.js"

/** The most a Bind can count, and the most the server allocates for one message (`MaxAllocSize`). */
const mostParams = 65_535
const mostBytes = 0x3fffffff

/** The values for the wire, or what is wrong with them. Nothing has been sent then. @since 0.1.0 @category conversions */
export const serialise = (
  text: string,
  params: ReadonlyArray<unknown>,
  operation: string
): ReadonlyArray<Value> | DatabaseError.DataError => {
  const refuse = (reason: string, cause?: unknown) => new DatabaseError.DataError({ operation, reason, cause })
  if (text.includes("\0")) return refuse("the statement's text holds a NUL character")
  if (params.length > mostParams)
    return refuse(`${params.length} parameters are more than the ${mostParams} a statement can have`)
  const values: Array<Value> = []
  let size = text.length
  for (let index = 0; index < params.length; index++) {
    const param = params[index]
    try {
      const value = prepare(param)
      size += value?.length ?? 0
      values.push(value)
    } catch (cause) {
      return refuse(`parameter $${index + 1} (${typeof param}) cannot be sent`, cause)
    }
  }
  return size > mostBytes ? refuse("the parameters together are larger than a message can be") : values
}

/** Everything was carried out, but a row cannot be read. @since 0.1.0 @category errors */
export const unreadable = (operation: string, { cause, message }: UnreadableRow): DatabaseError.DataError =>
  new DatabaseError.DataError({ operation, reason: message, cause })

/** Forgets what a failed group prepared, and says what its failure was. @since 0.1.0 @category conversions */
export const failed = (line: Line, group: Group, error: unknown): DatabaseError.DatabaseError => {
  const operation = group.operation()
  if (error instanceof UnreadableRow) return unreadable(operation, error)
  const classified = group.refusedCopy
    ? copyRefused(operation, error)
    : classify(error, operation, { phase: group.phase })
  for (const [index, { fresh, prepared }] of group.steps.entries()) {
    const unsure = fresh === true && index >= group.at
    const stale = classified._tag === "StaleStatement" && index === group.at
    if (prepared !== undefined && (unsure || stale)) line.statements.forget(prepared)
  }
  return classified
}

/** COPY FROM STDIN as a plain statement; nothing was copied. @since 0.1.0 @category errors */
export const copyRefused = (operation: string, cause?: unknown): DatabaseError.UnsupportedError =>
  new DatabaseError.UnsupportedError({
    operation,
    reason: "COPY FROM STDIN asks for rows, and a plain statement has none to send",
    hint: "Use Copy.into, which streams them",
    cause
  })

/** One command with its text and values. @since 0.1.0 @category models */
export type Command = readonly [step: Step, text: string, values: ReadonlyArray<Value>]

/** A setting as SET LOCAL has it. @since 0.1.0 @category models */
export type Setting = readonly [name: string, value: string]

/** How a text is prepared by name, if it is. @since 0.1.0 @category models */
export type Naming = (text: string) => readonly [statement: Prepared, fresh: boolean] | undefined

/** A step whose answer is not described: its cells stay as they come. @since 0.1.0 @category constructors */
export const bare = (operation: string, text: string, named: Naming): Step => ({
  ...step(operation, "arrays", named(text)),
  columns: null
})

/** BEGIN, and the settings each transaction brings along where the session may not keep any. @since 0.1.0 @category constructors */
export const beginning = (begin: Request["begin"], local: ReadonlyArray<Setting>, named: Naming): Array<Command> => {
  if (begin === undefined) return []
  const opening: Command = [bare("begin", begin, named), begin, []]
  if (local.length === 0) return [opening]
  const calls = local.map((_, index) => `set_config($${index * 2 + 1}, $${index * 2 + 2}, true)`)
  const text = `select ${calls.join(", ")}`
  return [opening, [bare("begin", text, named), text, local.flat()]]
}

const ownOperations = /^\s*(begin|start|commit|rollback|savepoint|release)\b/i

/** The operation a text is, for errors. @since 0.1.0 @category accessors */
export const operationOf = (text: string): string => {
  const word = ownOperations.exec(text)?.[1]?.toLowerCase()
  return word === undefined ? "execute" : word === "start" ? "begin" : word
}
