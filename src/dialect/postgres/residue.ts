/**
 * What statements have left on a session. Their texts tell of most; and some settings the server reports whenever they change,
 * whoever changed them: a function that sets `search_path` or `role` is found out by that. What a function of the user's own
 * does besides (`work_mem`, an advisory lock) nobody tells: for that there is `DISCARD ALL` on each return.
 *
 * @since 0.1.0
 */
import type { Residue } from "../../Dialect.js"
import type { Line } from "./line.js"

/** Settings as the server last reported them. @since 0.1.0 @category models */
export class Reports {
  readonly values = new Map<string, string>()
  /** How many there were. */
  count = 0

  note(name: string, value: string): void {
    this.values.set(name, value)
    this.count++
  }
}

/** @since 0.1.0 @category constructors */
export const residueOf = (line: Line, reports: Reports): Residue => {
  let accepted = new Map(reports.values)
  let seen = reports.count
  let differs = false
  return {
    any: () => {
      if (reports.count !== seen) {
        seen = reports.count
        // Set for a transaction alone, it is reported twice and back where it was.
        differs = [...reports.values].some(([name, value]) => accepted.get(name) !== value)
      }
      return line.left || differs
    },
    accept: () => {
      accepted = new Map(reports.values)
      seen = reports.count
      differs = false
      line.left = false
    }
  }
}
