/**
 * Who has a PGlite folder open: a file beside it, made whole in one step, that names the process. Two programs on one folder
 * destroy it, and PGlite itself does not look. A process that has died without a word no longer holds what it held: its
 * number is nobody's, or somebody's who began later.
 *
 * @since 0.1.0
 */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync
} from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Dialect } from "../../Dialect.js"
import { ConnectionError, type DatabaseError, type Details, TooManyConnections } from "../../model/DatabaseError.js"

/** Takes the folder, or fails at once with whoever has it. @since 0.1.0 @category models */
export interface FolderLock {
  /** Gives it back; may be called twice. */
  readonly release: () => void
}

/** What tells a process from a later one of the same number; empty where the system does not say (it does on Linux). */
const birthOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name in parentheses may hold anything; the start is the 22nd field, the 20th behind it.
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${start}`
  } catch {
    return ""
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return codeOf(cause) === "EPERM"
  }
}

const codeOf = (cause: unknown): unknown => (cause as NodeJS.ErrnoException).code

interface Holder {
  readonly pid: number
  readonly birth: string
}

const read = (path: string): Holder | undefined => {
  try {
    const [pid, birth = ""] = readFileSync(path, "utf8").split("\n")
    return { pid: Number(pid), birth }
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

const holds = ({ birth, pid }: Holder): boolean => {
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return false
  const now = birthOf(pid)
  return birth === "" || now === "" || now === birth
}

/** Taking over takes no time: who has been at it for longer (ms) has died of it. */
const longestTaking = 10_000

/** One at a time takes what a dead process held: another's new lock must not be mistaken for it. */
const takeOver = (path: string, now: number): void => {
  const taking = `${path}.taking`
  try {
    mkdirSync(taking)
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw cause
    const since = statSync(taking, { throwIfNoEntry: false })?.mtimeMs
    if (since !== undefined && now - since > longestTaking) rmdirSync(taking)
    return
  }
  try {
    const holder = read(path)
    if (holder !== undefined && !holds(holder)) unlinkSync(path)
  } finally {
    rmdirSync(taking)
  }
}

const attempts = 50

/** By whatever name it was asked for. */
const placeOf = (folder: string): string => {
  try {
    return realpathSync(folder)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return folder
    throw cause
  }
}

/** Made whole under another name first, so that nobody reads half of it. */
const make = (path: string, own: string): boolean => {
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, own)
  try {
    linkSync(draft, path)
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  } finally {
    unlinkSync(draft)
  }
}

/** Of this very process nobody waits for an end. */
class Occupied extends TooManyConnections {
  constructor(
    details: Details,
    readonly holder: string | undefined
  ) {
    super(details)
  }
}

const busy = (folder: string, path: string, holder: string, other = true) =>
  new Occupied(
    {
      operation: "connect",
      reason: `the PGlite folder ${folder} is open in ${holder}`,
      hint: `One process at a time: end that one, or use a PostgreSQL server. It is written in ${path}`
    },
    other ? holder : undefined
  )

/** @since 0.1.0 @category dialect */
export const occupant: NonNullable<Dialect["occupant"]> = (error) =>
  error instanceof Occupied ? error.holder : undefined

const attempt = (folder: string, now: number): FolderLock => {
  const path = `${placeOf(folder)}.lock`
  const own = `${process.pid}\n${birthOf(process.pid)}\n`
  for (let tries = 0; tries < attempts; tries++) {
    if (make(path, own)) {
      let held = true
      return {
        release: () => {
          if (!held) return
          held = false
          try {
            if (readFileSync(path, "utf8") === own) unlinkSync(path)
          } catch {
            // Gone already, with its folder perhaps: there is nothing to give back.
          }
        }
      }
    }
    const holder = read(path)
    if (holder === undefined) continue
    if (holds(holder)) {
      throw holder.pid === process.pid
        ? busy(folder, path, "this process already", false)
        : busy(folder, path, `process ${holder.pid}`)
    }
    takeOver(path, now)
  }
  throw busy(folder, path, "another process that is just beginning")
}

/** @since 0.1.0 @category constructors */
export const take = (folder: string): Effect.Effect<FolderLock, DatabaseError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.try({
      try: () => attempt(folder, now),
      catch: (cause) =>
        cause instanceof TooManyConnections
          ? cause
          : new ConnectionError({
              operation: "connect",
              reason: `PGlite does not start on the folder ${folder}: its lock ${folder}.lock cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`,
              hint: "Is the folder's parent there, may it be written?",
              cause,
              phase: "connect",
              sent: false
            })
    })
  )
