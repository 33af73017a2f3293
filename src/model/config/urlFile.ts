/**
 * URLs of databases that are files. Slashes count as in SQLAlchemy: `sqlite:///file` is relative, `sqlite:////file`
 * absolute, `sqlite://` in memory; without them a path stands as it is. `file:` follows SQLite's own URI names.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import type { Driver } from "../DatabaseConfig.js"
import type { Parsed } from "./url.js"
import { badPercent, decodePercent, parseQuery, remaining } from "./urlQuery.js"

const memory = ":memory:"

/** `rest` is what follows `scheme:` or `scheme://`. */
const pathOf = (scheme: string, slashes: boolean, rest: string): string => {
  if (!slashes) return rest
  if (scheme === "file") return rest.replace(/^localhost(?=\/)/, "")
  if (rest === "" || rest === "/") return memory
  // Three slashes: relative. Two: what other tools write for the same.
  return rest.startsWith("/") ? rest.slice(1) : rest
}

const namesServer = (slashes: boolean, rest: string): boolean => {
  if (!slashes) return false
  const authority = rest.slice(0, rest.search(/\/|$/))
  return authority.includes("@") || /:\d+(,|$)/.test(authority) || (authority.includes(",") && authority !== rest)
}

const serverOnly = ["sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs", "host", "port"]

/**
 * @since 0.1.0
 * @category parsing
 */
export const fileUrl = (driver: Driver, scheme: string, slashes: boolean, rest: string): Parsed => {
  const problems: Array<string> = []
  const mark = rest.indexOf("?")
  const path = mark < 0 ? rest : rest.slice(0, mark)
  const query = parseQuery(mark < 0 ? "" : rest.slice(mark + 1), problems)
  if (namesServer(slashes, path)) {
    problems.push(
      `a database in a file (${scheme}:) has no hosts, users or passwords; expected ${scheme}:path or ${scheme}::memory:`
    )
  }
  for (const name of serverOnly) {
    if (query.has(name)) problems.push(`${name} is for servers; a database in a file (${scheme}:) has no use for it`)
  }
  const database = decodePercent(pathOf(scheme, slashes, path))
  if (database === undefined) problems.push(badPercent("path"))
  else if (database === "") problems.push(`expected a path or :memory: behind ${scheme}:`)
  if (Arr.isNonEmptyReadonlyArray(problems)) return Either.left(problems)
  return Either.right({
    driver,
    hosts: [],
    database: query.get("mode") === "memory" ? memory : (database ?? memory),
    tls: {},
    targetSession: "any",
    parameters: remaining(query, new Set())
  })
}
