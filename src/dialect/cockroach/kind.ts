/**
 * What a text may do to its session, as PostgreSQL tells it, with the words CockroachDB has besides.
 *
 * @since 0.1.0
 */
import type { Dialect } from "../../Dialect.js"
import { kind as family, wordsOf } from "../postgres/kind.js"

/** What it runs in no transaction but its own: jobs, and settings of the cluster. */
const jobs =
  /^\s*(?:backup|restore|import|export|cancel|pause|resume|use|create\s+changefeed|alter\s+(?:job|backup|range))\b/

/** @since 0.1.0 @category dialect */
export const kind: Dialect["kind"] = (text) => {
  const found = family(text)
  return found === "write" && jobs.test(wordsOf(text)) ? "session" : found
}
