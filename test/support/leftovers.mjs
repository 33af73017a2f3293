/**
 * What a keeper owns outside its own memory: folders and processes, and how to find and end them when nobody else does.
 * A folder's name says whose it is (process namespace, pid, start of that process), so it is owned from the moment it
 * exists and a reused pid is never taken for its owner. A process is ours when it runs inside one of our folders.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const name = /^aquifer-postgres-(\d+)-(\d+)-(\d+)-/
const linux = process.platform === "linux"

const attempt = (read, otherwise) => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const ps = (...args) => attempt(() => execFileSync("ps", args, { encoding: "utf8" }), "").trim()

/** When a live process began, as a word of digits that no later process with the same pid shares. */
const beginning = (pid) => {
  if (!linux) {
    const text = ps("-o", "lstart=", "-p", String(pid))
    return text === "" ? undefined : String(Date.parse(text))
  }
  const stat = attempt(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8"), undefined)
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
  return fields === undefined || fields[0] === "Z" ? undefined : fields[19]
}

/** Pids mean nothing outside their namespace: two containers may share one temporary folder. */
const namespace = attempt(() => fs.readlinkSync("/proc/self/ns/pid").replace(/\D/g, ""), "0")

export const makeFolder = (base) =>
  fs.mkdtempSync(path.join(base, `aquifer-postgres-${namespace}-${process.pid}-${beginning(process.pid)}-`))

const inside = (folder) => {
  if (linux) {
    return fs.readdirSync("/proc").filter((entry) => {
      if (!/^\d+$/.test(entry)) return false
      const cwd = attempt(() => fs.readlinkSync(`/proc/${entry}/cwd`), "")
      return (cwd === folder || cwd.startsWith(`${folder}/`)) && beginning(entry) !== undefined
    })
  }
  const rows = ps("-A", "-o", "pid=,ppid=,command=")
    .split("\n")
    .map((row) => row.trim().split(/\s+/, 2).concat(row))
  const ours = new Set(rows.filter((row) => row[2].includes(folder)).map((row) => row[0]))
  for (const [pid, parent] of rows) if (ours.has(parent)) ours.add(pid)
  return [...ours]
}

/** Until nothing runs inside the folder. A killed postmaster's backends are sessions of their own: each is ended. */
const endProcesses = async (folder) => {
  for (let turn = 0; turn < 500; turn++) {
    const pids = inside(folder)
    if (pids.length === 0) return
    for (const pid of pids) attempt(() => process.kill(Number(pid), "SIGKILL"))
    await sleep(20)
  }
  throw new Error(`processes in ${folder} outlive SIGKILL: ${inside(folder).join(", ")}`)
}

/** A postmaster that was killed cannot give back its System V segment; its key and id stand in postmaster.pid. */
const dropSegment = (folder) => {
  const data = path.join(folder, "data")
  const line = attempt(() => fs.readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n")[6], undefined)
  const [key, id] = line?.trim().split(/\s+/) ?? []
  if (!/^\d+$/.test(id ?? "")) return
  const rows = attempt(() => fs.readFileSync("/proc/sysvipc/shm", "utf8"), `${key} ${id} `).split("\n")
  if (rows.some((row) => row.trim().split(/\s+/, 2).join(" ") === `${key} ${id}`)) {
    attempt(() => execFileSync("ipcrm", ["-m", id], { stdio: "ignore" }))
  }
}

export const remove = async (folder) => {
  await endProcesses(folder)
  dropSegment(folder)
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

const day = 24 * 60 * 60 * 1000

/** Ends and deletes what dead keepers of this user left: their machine was reset, or they were killed themselves. */
export const sweep = async (bases) => {
  for (const base of bases) {
    for (const entry of attempt(() => fs.readdirSync(base), [])) {
      const owner = name.exec(entry)
      if (owner === null) continue
      const folder = path.join(base, entry)
      const stat = attempt(() => fs.lstatSync(folder), undefined)
      if (stat === undefined || !stat.isDirectory() || stat.uid !== process.getuid()) continue
      const dead = owner[1] === namespace ? beginning(owner[2]) !== owner[3] : Date.now() - stat.mtimeMs > day
      if (dead) await remove(folder).catch((error) => process.stderr.write(`${error.message}\n`))
    }
  }
}
