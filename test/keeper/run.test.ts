/** The run as a whole tells the truth: its last line is the runner's own count, and nothing is skipped without a reason. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { makeBase } from "./observe.js"

const here = import.meta.dirname
const vitest = path.resolve(here, "../../node_modules/vitest/vitest.mjs")

const runSkips = (environment: Record<string, string>, ...args: Array<string>) => {
  const config = path.join(here, "fixture/skips.config.ts")
  return spawnSync(process.execPath, [vitest, "run", "--config", config, ...args], {
    cwd: path.join(here, "fixture"),
    env: { ...process.env, ...environment },
    encoding: "utf8"
  })
}

describe("skipped tests", () => {
  it("are named with their reasons, wherever these were given", () => {
    const run = runSkips({})
    expect(run.stdout.split("\n").filter((line) => line.startsWith("  "))).toEqual([
      "  skips.fixture.ts > asks first: no such server here",
      "  skips.fixture.ts > asks first in Effect: no such product here",
      "  skips.fixture.ts > a suite (needs Linux) > inside: (needs Linux)"
    ])
    expect(run.status).toBe(0)
  })

  it("fail the run when one has no reason", () => {
    const run = runSkips({ FIXTURE_SILENT: "yes" })
    expect(run.stdout).toContain("skips.fixture.ts > silent: NO REASON GIVEN")
    expect(run.status).toBe(1)
  })

  it("need none when tests were asked for by name", () => {
    expect(runSkips({ FIXTURE_SILENT: "yes" }, "-t", "runs").status).toBe(0)
  })
})

interface Report {
  readonly success: boolean
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: ReadonlyArray<unknown>
}

const good: Report = {
  success: true,
  numPassedTests: 7,
  numFailedTests: 0,
  numPendingTests: 2,
  numTodoTests: 1,
  testResults: [{ name: "a.test.ts", status: "passed", assertionResults: [{}] }]
}

/** Runs `.ci/run` in an empty folder with an `npm` that notes what it was asked and does as it is told. */
const runCi = (told: { readonly report?: Report; readonly fails?: "ci" | "run" | "test"; readonly stale?: Report }) => {
  const folder = makeBase()
  fs.mkdirSync(path.join(folder, ".ci"))
  fs.mkdirSync(path.join(folder, "bin"))
  fs.copyFileSync(path.resolve(here, "../../.ci/run"), path.join(folder, ".ci/run"))
  if (told.stale !== undefined) fs.writeFileSync(path.join(folder, ".test-report.json"), JSON.stringify(told.stale))
  const written = told.report === undefined ? "" : JSON.stringify(told.report)
  fs.writeFileSync(
    path.join(folder, "bin/npm"),
    `#!/bin/sh
echo "$*" >> asked
if [ "$1" = "test" ] && [ -n "$WRITTEN" ]; then printf '%s' "$WRITTEN" > .test-report.json; fi
if [ "$1" = "$FAILS" ]; then exit 3; fi
`,
    { mode: 0o755 }
  )
  const run = spawnSync(path.join(folder, ".ci/run"), {
    cwd: "/",
    env: {
      ...process.env,
      PATH: `${path.join(folder, "bin")}:${path.dirname(process.execPath)}:${process.env.PATH}`,
      WRITTEN: written,
      FAILS: told.fails ?? ""
    },
    encoding: "utf8"
  })
  const asked = fs.readFileSync(path.join(folder, "asked"), "utf8").trim().split("\n")
  return { last: run.stdout.trimEnd().split("\n").at(-1), held: run.status === 0, asked, complaint: run.stderr }
}

describe(".ci/run", () => {
  it("installs from the lock file, checks, tests, and ends with the count", () => {
    const run = runCi({ report: good })
    expect(run).toMatchObject({ held: true, last: "7 passed, 0 failed, 3 skipped" })
    expect(run.asked.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([
      "ci --strict-allow-scripts",
      "run check",
      "test --"
    ])
  })

  it("fails when a test failed, and still counts", () => {
    const report = { ...good, success: false, numFailedTests: 1, numPassedTests: 6 }
    expect(runCi({ report, fails: "test" })).toMatchObject({ held: false, last: "6 passed, 1 failed, 3 skipped" })
    expect(runCi({ report })).toMatchObject({ held: false, last: "6 passed, 1 failed, 3 skipped" })
  })

  it("fails when a suite did not load, and names it", () => {
    const broken = { name: "broken.test.ts", status: "failed", assertionResults: [], message: "no such module" }
    const run = runCi({ report: { ...good, testResults: [broken] } })
    expect(run).toMatchObject({ held: false, last: "7 passed, 0 failed, 3 skipped" })
    expect(run.complaint).toContain("did not load: broken.test.ts")
  })

  it("fails when the runner itself failed, though every test passed", () => {
    expect(runCi({ report: good, fails: "test" })).toMatchObject({ held: false, last: "7 passed, 0 failed, 3 skipped" })
  })

  it("fails without a report, and takes none from an earlier run", () => {
    expect(runCi({})).toMatchObject({ held: false, last: "0 passed, 0 failed, 0 skipped" })
    expect(runCi({ stale: good })).toMatchObject({ held: false, last: "0 passed, 0 failed, 0 skipped" })
  })

  it("fails when there was no test", () => {
    const report = { ...good, numPassedTests: 0, testResults: [] }
    expect(runCi({ report })).toMatchObject({ held: false, last: "0 passed, 0 failed, 3 skipped" })
  })

  it("fails when the check fails, after running the tests", () => {
    const run = runCi({ report: good, fails: "run" })
    expect(run).toMatchObject({ held: false, last: "7 passed, 0 failed, 3 skipped" })
    expect(run.asked.length).toBe(3)
  })

  it("stops when the installation fails", () => {
    const run = runCi({ report: good, fails: "ci" })
    expect(run).toMatchObject({ held: false, last: "0 passed, 0 failed, 0 skipped" })
    expect(run.asked.length).toBe(1)
  })
})
