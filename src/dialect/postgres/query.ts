/**
 * One group of messages that ends in one Sync (or is one simple query), and the answers to it, read step by step. A group is
 * settled by the session when ReadyForQuery arrives and not before: an INSERT's CommandComplete comes before its commit. When
 * one step fails the server skips the rest, so the failing step tells what ran.
 *
 * @since 0.1.0
 */
import type { Reply, Row } from "../../Dialect.js"
import type { ConnectionError } from "../../model/DatabaseError.js"
import type { Wire as Value } from "./encode.js"
import type { Prepared } from "./prepared.js"
import { type Cells, type Columns, columns, type Field, type Types } from "./rows.js"
import type { MakeRaw, Submittable, Wire } from "./wire.js"

/** How results are read and shown. @since 0.1.0 @category models */
export interface Reading {
  readonly types: Types
  readonly raw: MakeRaw
}

/** One command of a group and its answer so far. @since 0.1.0 @category models */
export interface Step {
  readonly operation: string
  readonly mode: "objects" | "arrays"
  /** The statement this step uses by name, and whether this step parses it. */
  readonly prepared?: Prepared | undefined
  readonly fresh?: boolean | undefined
  columns: Columns | null | undefined
  rows: Array<Row>
  tag: string
  count: number | null
  oid: number | null
  suspended: boolean
}

/** @since 0.1.0 @category constructors */
export const step = (
  operation: string,
  mode: Step["mode"],
  prepared?: readonly [statement: Prepared, fresh: boolean]
): Step => ({
  operation,
  mode,
  prepared: prepared?.[0],
  fresh: prepared?.[1],
  columns: prepared?.[0].columns,
  rows: [],
  tag: "",
  count: null,
  oid: null,
  suspended: false
})

/** Writes Parse (unless it is known), Bind, Describe (unless the columns are known) and Execute of a step. @since 0.1.0 @category wire */
export const write = (
  wire: Wire,
  step: Step,
  text: string,
  values: ReadonlyArray<Value>,
  portal = "",
  rows = 0
): void => {
  const statement = step.prepared?.name ?? ""
  if (step.prepared === undefined || step.fresh === true) wire.parse({ name: statement, text })
  wire.bind({ portal, statement, values })
  if (step.columns === undefined) wire.describe({ type: "P", name: portal })
  wire.execute({ portal, rows })
}

/** A class, because a getter written into each answer cost more than the answer. */
class Answer implements Reply {
  readonly rows: Reply["rows"]
  readonly tag: string
  readonly count: number | null

  constructor(
    private readonly step: Step,
    private readonly reading: Reading,
    readonly transactionId: string | undefined
  ) {
    this.rows = step.rows
    this.tag = step.tag
    this.count = step.count
  }

  /** Made when asked for: the driver's result costs more than the statement. */
  get raw(): unknown {
    const { columns, count, mode, oid, rows, tag } = this.step
    const raw = this.reading.raw(mode)
    if (columns) raw.addFields(columns.fields)
    return Object.assign(raw, { command: tag.split(" ", 1)[0] ?? null, rowCount: count, oid, rows })
  }
}

/** What a step answered, as the seam has it. @since 0.1.0 @category conversions */
export const reply = (step: Step, reading: Reading, transactionId?: string): Reply =>
  new Answer(step, reading, transactionId)

/** `INSERT 0 5`, `SELECT 3`, `CREATE TABLE`: the words, the oid, the count. */
const commandTag = /^(.*?)(?: (\d+))?(?: (\d+))?$/

/** How a group ended. @since 0.1.0 @category models */
export interface Ending {
  /** The transaction's status behind it: I, T or E. */
  readonly status: string
  /** What the server (or reading its rows) answered instead of a result. */
  readonly error: unknown
}

/** What a group is made of. @since 0.1.0 @category models */
export interface GroupOptions {
  readonly phase: ConnectionError["phase"]
  /** A simple query: its steps are made as they are answered, under `operation`. */
  readonly script: boolean
  readonly operation?: string
  /** The group's own from then on. */
  readonly steps: Array<Step>
  /** Whether it opens a transaction. */
  readonly begins: boolean
  readonly reading: Reading
  readonly send: (wire: Wire) => void
  /** The server waits for rows (COPY FROM STDIN). */
  readonly onCopyIn?: ((wire: Wire) => void) | undefined
  /** A row of COPY TO STDOUT; its bytes are the driver's again when this returns. */
  readonly onCopyData?: ((chunk: Buffer) => void) | undefined
  /** Called when a step has been answered. */
  readonly onStep?: (() => void) | undefined
  /** Called once, at ReadyForQuery. */
  readonly onEnd: (ending: Ending) => void
  /** Called once instead, when the session is lost. */
  readonly onLost: (sent: boolean) => void
}

/** A group on its way. @since 0.1.0 @category models */
export class Group implements Submittable {
  readonly steps: Array<Step>
  readonly phase: ConnectionError["phase"]
  readonly begins: boolean
  readonly onEnd: GroupOptions["onEnd"]
  readonly onLost: GroupOptions["onLost"]
  /** The step being answered. */
  at = 0
  error: unknown = undefined
  settled = false
  /** Nobody waits for the answer any more: it is not sent a second time. */
  abandoned = false
  /** The server asked for rows, and was told that none come. */
  refusedCopy = false
  /** Whether its bytes have been handed to the socket. */
  sent = false
  /** Set by the line: hears of an error before ReadyForQuery, because some errors are the last thing a server says. */
  onError: ((error: unknown) => void) | undefined

  constructor(private readonly options: GroupOptions) {
    this.steps = options.steps
    this.phase = options.phase
    this.begins = options.begins
    this.onEnd = options.onEnd
    this.onLost = options.onLost
  }

  /** What the step being answered is called in an error. */
  operation(): string {
    return this.steps[this.at]?.operation ?? this.options.operation ?? "execute"
  }

  /** The step being answered; a script's are made as they are answered. */
  current(): Step {
    const found = this.steps[this.at]
    if (found !== undefined) return found
    const made = step(this.options.operation ?? "execute", "objects")
    this.steps.push(made)
    return made
  }

  /** Whether everything that was asked has been answered. */
  complete(): boolean {
    return this.options.script || this.error !== undefined || this.at >= this.steps.length
  }

  submit(wire: Wire): void {
    this.options.send(wire)
  }

  handleRowDescription(message: { readonly fields: ReadonlyArray<Field> }): void {
    const current = this.current()
    current.columns = columns(message.fields, this.options.reading.types)
  }

  handleDataRow(message: { readonly fields: Cells }): void {
    if (this.error !== undefined) return
    const current = this.current()
    try {
      if (current.columns) current.rows.push(current.columns[current.mode](message.fields))
      else current.rows.push(message.fields)
    } catch (cause) {
      this.error = new UnreadableRow(cause)
    }
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const current = this.current()
    // What nearly every answer is needs no expression.
    if (message.text.startsWith("SELECT ")) {
      current.tag = "SELECT"
      current.count = Number(message.text.slice(7))
      this.done(current)
      return
    }
    const [, words, first, second] = commandTag.exec(message.text) ?? []
    current.tag = words ?? message.text
    current.oid = second === undefined ? null : Number(first)
    current.count = second !== undefined ? Number(second) : first !== undefined ? Number(first) : null
    this.done(current)
  }

  handleEmptyQuery(): void {
    this.done(this.current())
  }

  handlePortalSuspended(): void {
    const current = this.current()
    current.suspended = true
    this.done(current)
  }

  private done(current: Step): void {
    if (current.columns === undefined) current.columns = null
    if (current.prepared !== undefined && current.prepared.columns === undefined) {
      current.prepared.columns = current.columns
    }
    this.at++
    this.options.onStep?.()
  }

  /** COPY needs its own conversation. The server ignored the Sync behind Execute while it waited for rows: it needs another. */
  handleCopyInResponse(wire: Wire): void {
    if (this.options.onCopyIn !== undefined) {
      this.options.onCopyIn(wire)
      return
    }
    this.refusedCopy = true
    wire.sendCopyFail("rows for COPY FROM STDIN are sent by Copy, not as a statement")
    if (!this.options.script) wire.sync()
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    this.options.onCopyData?.(message.chunk)
  }

  handleError(error: unknown): void {
    if (this.settled) return
    // A row that could not be read is told only when nothing worse happened.
    if (this.error === undefined || this.error instanceof UnreadableRow) {
      this.error = error ?? new Error("the driver failed without a reason")
    }
    this.onError?.(error)
  }

  handleReadyForQuery(): void {}
}

/** A row the driver's parser of its type could not read. @since 0.1.0 @category errors */
export class UnreadableRow extends Error {
  constructor(override readonly cause: unknown) {
    super("a value of the result cannot be read as its type")
  }
}
