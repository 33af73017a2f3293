/** What an outsider can see of keepers and servers: their folders, processes and shared segments under one base folder. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { onTestFinished } from "vitest"

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const cwd = (pid: string): string => {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ""
  }
}

const list = (folder: string): ReadonlyArray<string> => (fs.existsSync(folder) ? fs.readdirSync(folder) : [])

/** Why these tests cannot look at this machine; none on Linux. */
export const blind = process.platform !== "linux"
export const blindness = "needs Linux: what is left is looked for in /proc"

/** A folder everybody may come through, deleted with the test. What a failed test left running in it is ended. */
export const makeBase = (): string => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), "aquifer-keeper-test-"))
  fs.chmodSync(base, 0o755)
  onTestFinished(async () => {
    if (!blind) await eventuallyNothing(base, [], 5000).catch(() => processes(base).forEach(kill))
    fs.rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  })
  return base
}

const kill = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It ended meanwhile.
  }
}

/** Keepers, servers, workers: whatever runs in the base or was started with its name. The test itself was not. */
export const processes = (base: string): ReadonlyArray<number> =>
  fs
    .readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => cwd(pid).startsWith(base) || read(`/proc/${pid}/cmdline`).includes(base))
    .map(Number)

export const folders = (base: string): ReadonlyArray<string> =>
  list(base)
    .filter((entry) => entry.startsWith("aquifer-postgres-"))
    .map((entry) => path.join(base, entry))

/** The System V segments of the servers under the base, as `key id`. */
export const segments = (base: string): ReadonlyArray<string> =>
  folders(base).flatMap((folder) => {
    const line = read(path.join(folder, "data/postmaster.pid")).split("\n")[6]?.trim() ?? ""
    return line === "" ? [] : [line.split(/\s+/).join(" ")]
  })

export const lives = (segment: string): boolean =>
  read("/proc/sysvipc/shm")
    .split("\n")
    .some((row) => row.trim().split(/\s+/).slice(0, 2).join(" ") === segment)

/** Everything there is, for one comparison with nothing. */
export const remains = (base: string, known: ReadonlyArray<string> = []) => ({
  folders: folders(base),
  processes: processes(base),
  segments: [...segments(base), ...known].filter(lives)
})

export const nothing = { folders: [], processes: [], segments: [] }

/** Looks until it is so; fails with what it saw last. A limit, not a time. */
export const eventually = async <A>(look: () => A, so: (seen: A) => boolean, limit = 25_000): Promise<A> => {
  const until = performance.now() + limit
  for (;;) {
    const seen = look()
    if (so(seen)) return seen
    if (performance.now() > until) throw new Error(`still ${JSON.stringify(seen)} after ${limit} ms`)
    await sleep(20)
  }
}

export const eventuallyNothing = (base: string, known: ReadonlyArray<string> = [], limit?: number) =>
  eventually(
    () => remains(base, known),
    (seen) => JSON.stringify(seen) === JSON.stringify(nothing),
    limit
  )
