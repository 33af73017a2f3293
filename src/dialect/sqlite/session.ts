/**
 * One SQLite connection as a state machine, synchronous throughout: what runs has run when the call returns. It knows
 * whether a transaction is open, and when SQLite has ended one by itself (disk full, I/O error, RAISE(ROLLBACK)): then
 * nothing but ROLLBACK is accepted, because any other statement would be committed on its own, and COMMIT answers
 * ROLLBACK. Everything it throws is a `DatabaseError`.
 *
 * @since 0.1.0
 */
import type Sqlite from "better-sqlite3"
import type { Reply, Request, Row, SessionStatus } from "../../Dialect.js"
import { type DatabaseError, type Details, TransactionAborted, TransactionClosed } from "../../model/DatabaseError.js"
import { classify, isBusy } from "./classify.js"
import { type Control, control, split, verb } from "./tokens.js"
import { readOnly } from "./transaction.js"
import * as Values from "./values.js"

/** What is to be executed, and how its integers are wanted. @since 0.1.0 @category models */
export interface Order extends Pick<Request, "text" | "params" | "prepare" | "rows"> {
  readonly operation: string
  /** Integers stay bigint (upstream's `SafeIntegers`). */
  readonly exact: boolean
  /** Nothing of the open transaction has run yet, so that a lock may still be waited for. */
  readonly first?: boolean | undefined
  /** Where in a script it stands. */
  readonly where?: Partial<Details> | undefined
}

/** An open query that is read piece by piece. @since 0.1.0 @category models */
export interface Cursor {
  /** The next rows; none: it is at its end. */
  readonly next: () => ReadonlyArray<Row>
  readonly close: () => void
}

/** @since 0.1.0 @category models */
export interface Session {
  readonly execute: (order: Order) => Reply
  /** Statements outside a transaction that are done all together or not at all. */
  readonly together: <A>(operation: string, work: () => A) => A
  readonly cursor: (order: Order, rows: number) => Cursor
  readonly status: () => SessionStatus
  readonly repeatable: (error: DatabaseError) => boolean
  readonly broken: () => void
  /** Closes what is open and ends the transaction. */
  readonly clear: () => void
}

/** Statements kept prepared, as upstream has it. */
const capacity = 200

interface Entry {
  readonly statement: Sqlite.Statement<unknown[], Row>
  readonly verb: string
  readonly control: Control
  /** Changes nothing, neither of the data nor of the session. */
  readonly asks: boolean
  /** Its columns' names may change with a table's; without a star the text has them. */
  readonly starred: boolean
  /** With the count of schema changes it was made at. */
  plan: { readonly at: number; readonly is: Values.Plan } | undefined
}

/** Schema changes made by this process: any connection's statements may return other columns since. */
let schemaChanges = 0
const changesSchema = new Set(["CREATE", "ALTER", "DROP"])
const counted = new Set(["INSERT", "UPDATE", "DELETE", "REPLACE"])

/** @since 0.1.0 @category constructors */
export const make = (db: Sqlite.Database, role: "writer" | "reader"): Session => {
  const prepared = new Map<string, Entry>()
  const cursors = new Set<(reason: DatabaseError) => void>()
  let open = false
  let unusable = false
  /** Why SQLite ended the transaction by itself; until ROLLBACK is asked for. */
  let ended: DatabaseError | undefined
  let holdsToReading = false
  let mayRepeat: DatabaseError | undefined

  const prepare = (text: string): Entry => {
    const statement = db.prepare<unknown[], Row>(text)
    const words = split(text)[0]?.words ?? []
    const does = verb(words)
    return {
      statement,
      verb: does,
      control: control(words),
      asks: statement.reader && statement.readonly && does !== "PRAGMA",
      starred: text.includes("*"),
      plan: undefined
    }
  }

  const lookup = (text: string, keep: boolean): Entry => {
    const known = prepared.get(text)
    if (known !== undefined) {
      // Which was used last matters to nobody while there is room.
      if (prepared.size > capacity / 2) {
        prepared.delete(text)
        prepared.set(text, known)
      }
      return known
    }
    const entry = prepare(text)
    if (keep) {
      prepared.set(text, entry)
      if (prepared.size > capacity) prepared.delete(prepared.keys().next().value as string)
    }
    return entry
  }

  /** Called after the statement ran, when SQLite has already prepared it anew if it had to. */
  const planOf = (entry: Entry, row: Row, arrays: boolean): Values.Plan => {
    const known = entry.plan
    if (known !== undefined && known.at === schemaChanges && Values.fits(known.is, row, arrays)) return known.is
    const is = Values.plan(entry.statement.columns())
    entry.plan = { at: schemaChanges, is }
    return is
  }

  const isRaw = (entry: Entry, order: Order): boolean => order.rows === "arrays" || !entry.starred

  const present = (entry: Entry, rows: Array<Row>, order: Order): ReadonlyArray<Row> => {
    if (rows.length === 0) return rows
    const raw = isRaw(entry, order)
    const plan = planOf(entry, rows[0], raw)
    return raw && order.rows === "objects"
      ? Values.assemble(rows, plan, order.exact, order.operation)
      : Values.present(rows, plan, raw, order.exact, order.operation)
  }

  const closeCursors = (reason: string) => {
    for (const close of [...cursors]) close(new TransactionClosed({ operation: "stream", reason }))
  }

  const look = () => {
    open = db.inTransaction
    if (!open && holdsToReading) {
      holdsToReading = false
      db.pragma("query_only = 0")
    }
  }

  /** Whatever fails passes here once: it is classified, and the transaction's state looked at. */
  const fails = (cause: unknown, order: Order, free: boolean): DatabaseError => {
    const error = classify(cause, order.operation, order.where)
    const wasOpen = open
    if (db.open) look()
    if (error._tag === "ConnectionError") unusable = true
    if (wasOpen && !open) {
      ended = error
      schemaChanges++
      closeCursors("the transaction was ended by SQLite")
    }
    mayRepeat = free && isBusy(error) && ended === undefined ? error : undefined
    return error
  }

  const done = (tag: string): Reply => ({ rows: [], tag, count: null, raw: [] })

  /** The transaction is gone and nobody has been told: only ROLLBACK, or a COMMIT that answers so, ends it. */
  const whenEnded = (order: Order, why: DatabaseError): Reply => {
    const what = control(split(order.text)[0]?.words ?? [])
    if (what !== "rollback" && what !== "commit") {
      throw new TransactionAborted({
        operation: order.operation,
        reason: "SQLite has rolled the transaction back",
        cause: why,
        hint: "End it with ROLLBACK and begin again"
      })
    }
    ended = undefined
    return done("ROLLBACK")
  }

  const answer = (entry: Entry, order: Order): Reply => {
    const { statement } = entry
    const params = Values.bind(order.params, order.operation)
    if (statement.reader) {
      statement.raw(isRaw(entry, order))
      const rows = present(entry, statement.all(params), order)
      return { rows, tag: entry.verb, count: rows.length, raw: rows }
    }
    const result = statement.run(params)
    const raw = {
      changes: result.changes,
      lastInsertRowid: order.exact ? result.lastInsertRowid : Values.narrow(result.lastInsertRowid)
    }
    return { rows: [], tag: tagOf(entry), count: counted.has(entry.verb) ? result.changes : null, raw }
  }

  const execute = (order: Order): Reply => {
    if (ended !== undefined) return whenEnded(order, ended)
    let free = !open || order.first === true
    try {
      const entry = lookup(order.text, order.prepare)
      if (entry.asks) return answer(entry, order)
      if (entry.control !== "none") {
        if (entry.control === "rollback" && !open) return done("ROLLBACK")
        if (entry.control === "commit") free = true
        if (entry.control === "commit" || entry.control === "rollback") closeCursors("its transaction has ended")
      }
      // Rows that cannot be handed out must not leave behind what the statement wrote.
      const reply =
        !open && entry.statement.reader && !entry.statement.readonly && entry.verb !== "PRAGMA"
          ? together(order.operation, () => answer(entry, order))
          : answer(entry, order)
      look()
      if (entry.control === "begin" && order.text === readOnly && role === "writer") {
        db.pragma("query_only = 1")
        holdsToReading = true
      }
      // A ROLLBACK may have taken schema changes back.
      if (entry.verb === "ROLLBACK") schemaChanges++
      if (changesSchema.has(entry.verb)) {
        schemaChanges++
        prepared.clear()
      }
      return reply
    } catch (cause) {
      throw fails(cause, order, free)
    }
  }

  const together = <A>(operation: string, work: () => A): A => {
    const send = (text: string) =>
      execute({ text, params: [], prepare: true, rows: "objects", operation, exact: false })
    send(role === "reader" ? "BEGIN" : "BEGIN IMMEDIATE")
    try {
      const result = work()
      send("COMMIT")
      return result
    } catch (cause) {
      const repeat = mayRepeat
      try {
        send("ROLLBACK")
      } catch {
        unusable = true
      }
      // Nothing is left of it, so a COMMIT that found the file busy may come again with all that went before.
      mayRepeat = repeat
      throw cause
    }
  }

  const cursor = (order: Order, size: number): Cursor => {
    if (ended !== undefined) whenEnded({ ...order, text: "" }, ended)
    const free = !open || order.first === true
    try {
      const entry = prepare(order.text)
      if (!entry.statement.reader || !entry.statement.readonly)
        return whole(execute({ ...order, prepare: false }).rows, size)
      entry.statement.raw(isRaw(entry, order))
      return reading(entry, order, size)
    } catch (cause) {
      throw fails(cause, order, free)
    }
  }

  const reading = (entry: Entry, order: Order, size: number): Cursor => {
    let ending: DatabaseError | undefined
    let finished = false
    const iterator = entry.statement.iterate(Values.bind(order.params, order.operation))
    // Without it, every other statement of this connection is a TypeError while the query is open.
    db.unsafeMode(true)
    const close = () => {
      if (finished) return
      finished = true
      cursors.delete(kill)
      iterator.return?.()
      if (cursors.size === 0 && db.open) db.unsafeMode(false)
    }
    const kill = (reason: DatabaseError) => {
      ending = reason
      close()
    }
    cursors.add(kill)
    const pull = (): ReadonlyArray<Row> => {
      if (ending !== undefined) throw ending
      const rows: Array<Row> = []
      try {
        while (!finished && rows.length < size) {
          const step = iterator.next()
          if (step.done === true) close()
          else rows.push(step.value)
        }
        return present(entry, rows, order)
      } catch (cause) {
        close()
        throw fails(cause, order, false)
      }
    }
    // The first rows are read at once: a lock or an error shows here, where the whole query may still be repeated.
    let ahead: ReadonlyArray<Row> | undefined = pull()
    return {
      close,
      next: () => {
        const rows = ahead ?? pull()
        ahead = undefined
        return rows
      }
    }
  }

  return {
    execute,
    together,
    cursor,
    repeatable: (error) => error === mayRepeat,
    broken: () => {
      unusable = true
    },
    status: () => (unusable || !db.open ? "broken" : ended !== undefined ? "failed" : open ? "open" : "idle"),
    clear: () => {
      closeCursors("the session was closed")
      ended = undefined
      if (db.open && db.inTransaction) db.exec("ROLLBACK")
      if (db.open) look()
      prepared.clear()
    }
  }
}

const tagOf = (entry: Entry): string =>
  entry.control === "commit" ? "COMMIT" : entry.control === "rollback" ? "ROLLBACK" : entry.verb

/** A result that is there already, in pieces. */
const whole = (rows: ReadonlyArray<Row>, size: number): Cursor => {
  let from = 0
  return {
    close: () => {},
    next: () => {
      const piece = rows.slice(from, from + size)
      from += size
      return piece
    }
  }
}
