/**
 * The keeper: holds one private PostgreSQL server for as long as its standard input is open, whatever becomes of the
 * process at the other end. It ignores signals (a terminal sends Ctrl-C to everybody), prints one JSON line when the
 * server accepts connections, and when its input closes it stops the server and deletes every folder it made. It obeys
 * three words, one a line: `stop`, `start`, `crash`. The server listens on the loopback only and keeps nothing safe.
 */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { account, bases, binaries, dataBase } from "./binaries.mjs"
import { makeFolder, remove, sweep } from "./leftovers.mjs"

const ignore = () => {}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, ignore)
process.stdout.on("error", ignore)
process.stderr.on("error", ignore)
process.umask(0o022)

/** Where all folders are made; without it, where it is best. */
const base = process.argv[2] || undefined

/** Fast rather than safe, and talkative about locks. `mmap`: what a killed server leaves lies inside its own folder. */
const settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: 200,
  max_prepared_transactions: 10,
  shared_buffers: "64MB",
  dynamic_shared_memory_type: "mmap",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  log_lock_waits: "on",
  ...JSON.parse(process.argv[3] ?? "{}")
}

const folders = []
const own = (folder) => {
  folders.push(folder)
  return folder
}
let closing = false
let port = 0
let child
let home
let bin
let who

const tail = () => fs.readFileSync(path.join(home, "server.log"), "utf8").trim().split("\n").slice(-15).join("\n")

const running = () => child !== undefined && child.exitCode === null && child.signalCode === null

/** Every process begins in our folder (that is how it is found again) and leads a group of its own. */
const launch = (command, args, output) => {
  if (closing) throw new Error("the input closed while the server was starting")
  child = spawn(path.join(bin, command), args, {
    ...who,
    cwd: home,
    env: { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" },
    stdio: ["ignore", output, output],
    detached: true
  })
  const launched = child
  launched.ended = new Promise((resolve) => {
    launched.once("error", (error) => resolve(error.message))
    launched.once("exit", (code, signal) => resolve(code ?? signal))
  })
  return launched
}

const initialise = async () => {
  const password = randomBytes(24).toString("hex")
  const secret = path.join(home, "password")
  fs.writeFileSync(secret, password, { mode: 0o600 })
  fs.mkdirSync(path.join(home, "data"), { mode: 0o700 })
  if (who.uid !== undefined) {
    fs.chmodSync(home, 0o711)
    for (const name of ["password", "data"]) fs.chownSync(path.join(home, name), who.uid, who.gid)
  }
  const log = fs.openSync(path.join(home, "server.log"), "a")
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
  const initdb = launch(
    "initdb",
    [
      "--pgdata=data",
      "--username=postgres",
      `--pwfile=${secret}`,
      "--auth=scram-sha-256",
      "--no-sync",
      "--no-instructions",
      ...locale,
      ...Object.entries(settings).map(([key, value]) => `--set=${key}=${value}`)
    ],
    log
  )
  const code = await initdb.ended
  fs.closeSync(log)
  fs.rmSync(secret, { force: true })
  if (code !== 0) throw new Error(`initdb ended with ${code}\n${tail()}`)
  return password
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = net.createServer().once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const chosen = probe.address().port
      probe.close(() => resolve(chosen))
    })
  })

/** As pg_ctl looks; the pid tells this server's file from one that a killed server left. */
const ready = (server) => {
  try {
    const lines = fs.readFileSync(path.join(home, "data/postmaster.pid"), "utf8").split("\n")
    return Number(lines[0]) === server.pid && lines[7]?.trim() === "ready"
  } catch {
    return false
  }
}

const launchServer = async () => {
  if (running()) throw new Error("the server runs already")
  const log = fs.openSync(path.join(home, "server.log"), "a")
  const server = launch("postgres", ["-D", path.join(home, "data"), "-p", String(port)], log)
  fs.closeSync(log)
  let code
  server.ended.then((ended) => {
    code = ended
    if (!server.asked) process.stderr.write(`the server ended by itself with ${ended}\n${tail()}\n`)
  })
  for (let turn = 0; turn < 3000 && code === undefined && !closing; turn++) {
    if (ready(server)) return
    await sleep(20)
  }
  throw new Error(`the server did not come up (${closing ? "the input closed" : (code ?? "60 s")})\n${tail()}`)
}

/** Another process may take the free port between looking and binding: look again. */
const firstStart = async (triesLeft) => {
  port = await freePort()
  try {
    await launchServer()
  } catch (error) {
    if (closing || triesLeft === 0 || !error.message.includes("Address already in use")) throw error
    await firstStart(triesLeft - 1)
  }
}

const limits = { SIGTERM: 2000, SIGINT: 5000, SIGQUIT: 3000 }

/** Gently at first, then not: fast, immediate, and the whole group. */
const end = async (...signals) => {
  const ending = child
  if (!running()) return
  ending.asked = true
  for (const signal of signals) {
    ending.kill(signal)
    if ((await Promise.race([ending.ended, sleep(limits[signal], ending)])) !== ending) return
  }
  try {
    process.kill(-ending.pid, "SIGKILL")
  } catch {
    // It ended meanwhile.
  }
}

const words = {
  stop: () => end("SIGINT", "SIGQUIT"),
  crash: () => end("SIGQUIT"),
  start: launchServer
}

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

let work = Promise.resolve()
const obey = async (word) => {
  try {
    await words[word]()
    say({ done: word })
  } catch (error) {
    say({ failed: `${word}: ${error.message}` })
  }
}

const lines = createInterface({ input: process.stdin })
process.stdin.on("error", ignore)
lines.on("line", (word) => {
  work = work.then(() => obey(word))
})
const closed = new Promise((resolve) => {
  lines.once("close", () => {
    closing = true
    resolve()
  })
})

const open = async () => {
  await sweep(base === undefined ? bases : [base])
  if (closing) return
  who = account()
  bin = binaries(who, base === undefined ? bases : [base], own)
  home = own(makeFolder(base ?? dataBase(who)))
  const password = await initialise()
  await firstStart(4)
  say({ url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`, port, home, server: child.pid })
}

const clean = async () => {
  closing = true
  // initdb cleans up behind itself on SIGTERM; to the server that would mean waiting for its clients.
  await (child?.spawnfile.endsWith("initdb") ? end("SIGTERM") : end("SIGINT", "SIGQUIT"))
  // From here on nothing can be launched: what is under way ends by itself.
  await work
  for (const folder of folders) await remove(folder)
}

const fail = (error) => {
  if (!closing) process.exitCode = 1
  process.stderr.write(`${error.message}\n`)
}

const opened = open()
work = opened.catch(ignore)
await Promise.race([opened.then(() => closed), closed]).catch(fail)
await clean().catch(fail)
process.exit()
