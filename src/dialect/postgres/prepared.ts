/**
 * The statements one session has prepared by name: the most recently used ones, in order. A name is made from the text, so
 * behind a pooler that hands one server session to several clients an equal name means an equal statement. What is evicted or
 * forgotten is closed on the server in front of whatever is sent next.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import type { Columns } from "./rows.js"

/** One prepared statement. `columns` is `null` for one that answers no rows, absent until the server has said. @since 0.1.0 @category models */
export interface Prepared {
  readonly name: string
  readonly text: string
  columns?: Columns | null
}

/** What stands in front of the next message: names of statements (`S`) and portals (`P`) to close. @since 0.1.0 @category models */
export interface Close {
  readonly type: "S" | "P"
  readonly name: string
}

/** @since 0.1.0 @category models */
export interface PreparedStatements {
  /** The statement of a text, and whether it has yet to be parsed. */
  readonly use: (text: string) => readonly [statement: Prepared, fresh: boolean]
  /**
   * Others prepare under the same names on the server's session: by the time a statement runs it may be theirs, made when its
   * table was another one. So what columns it answers is asked every time.
   */
  readonly share: () => void
  /** Nothing is known of it any more. Harmless when it has been forgotten before. */
  readonly forget: (statement: Prepared) => void
  /** The server has dropped them all. */
  readonly clear: () => void
  /** Closes a portal or statement with the next message. */
  readonly close: (close: Close) => void
  /** What is to be closed; empty afterwards. */
  readonly takeCloses: () => ReadonlyArray<Close>
  readonly size: () => number
}

/** A statement name holds 63 bytes at most; 128 bits of the hash do. */
const nameOf = (text: string): string => `aquifer_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`

const nothing: ReadonlyArray<Close> = []

/** Keeps `limit` statements. @since 0.1.0 @category constructors */
export const make = (limit: number): PreparedStatements => {
  const known = new Map<string, Prepared>()
  let closes: Array<Close> = []
  let shared = false
  return {
    share: () => {
      shared = true
    },
    use: (text) => {
      const found = known.get(text)
      if (found !== undefined) {
        if (shared) delete found.columns
        // Which was used last matters to nobody while there is room.
        if (known.size > limit / 2) {
          known.delete(text)
          known.set(text, found)
        }
        return [found, false]
      }
      const made: Prepared = { name: nameOf(text), text }
      known.set(text, made)
      if (known.size > limit) {
        for (const oldest of known.values()) {
          known.delete(oldest.text)
          closes.push({ type: "S", name: oldest.name })
          break
        }
      }
      return [made, true]
    },
    forget: (statement) => {
      if (known.get(statement.text) !== statement) return
      known.delete(statement.text)
      closes.push({ type: "S", name: statement.name })
    },
    clear: () => {
      known.clear()
      closes = closes.filter((close) => close.type === "P")
    },
    close: (close) => {
      closes.push(close)
    },
    takeCloses: () => {
      if (closes.length === 0) return nothing
      const taken = closes
      closes = []
      return taken
    },
    size: () => known.size
  }
}
