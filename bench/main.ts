/**
 * `npm run bench`: everybody at the same work, on a PostgreSQL started for it and on SQLite. Prints tables, writes
 * `bench/results.json` and `bench/README.md`. `--quick` takes a tenth of the time and writes nothing; a word behind
 * `--only` (`--only point`) names the workloads to run, one behind `--without` (`--without migrations`) those to leave out, and
 * `--sides ours,stock` who is to do them. `--out folder` writes what was measured there, whatever it was.
 */
import { execFile } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { inserts, streaming } from "./bulk.js"
import { type Side, sides, withoutLanes } from "./contenders.js"
import { type Contender, compare, type Effort, type Figure, type Loop } from "./harness.js"
import type { Migrated } from "./migrations.js"
import { printBulk, printMigrations, printRates, type Results, section } from "./report.js"
import { server } from "./server.js"

const quick = process.argv.includes("--quick")
const word = (option: string) => {
  const at = process.argv.indexOf(option)
  return at < 0 ? "" : (process.argv[at + 1] ?? "")
}
const only = word("--only")
const who = word("--sides").split(",")
const effort: Effort = quick
  ? { rounds: 5, slice: 200, warm: { operations: 10_000, millis: 1_500 } }
  : { rounds: 15, slice: 200, warm: { operations: 40_000, millis: 4_000 } }

const without = word("--without").toLowerCase()
const out = word("--out")

const wanted = (title: string) =>
  title.toLowerCase().includes(only.toLowerCase()) && (without === "" || !title.toLowerCase().includes(without))

/** In a process of its own: what it needs and leaves behind is nobody else's, nor is what its engine has learned. */
const apart = async (script: string, words: ReadonlyArray<string>) => {
  const file = fileURLToPath(new URL(`./${script}.js`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-flush-bytecode", file, ...words])
  return JSON.parse(stdout)
}

const migrated = (url: string, rounds: number, revisions: number): Promise<ReadonlyArray<Migrated>> =>
  apart("migrations", [`${rounds}`, `${revisions}`, url])

const sqlite = (): Promise<Record<string, ReadonlyArray<Figure>>> => apart("sqlite", [JSON.stringify(effort)])

const contenders = (all: ReadonlyArray<Side>, key: Exclude<keyof Side, "name" | "close">, loops: number) =>
  all.flatMap((side): Array<Contender> => {
    if (!who.some((name) => side.name.startsWith(name))) return []
    const work = side[key]
    return work === undefined ? [] : [{ name: side.name, loop: work(loops) }]
  })

/** 32 readers of points, 3 of something slow, 8 writers; what counts are the points. */
const mixed = (all: ReadonlyArray<Side>) =>
  all.flatMap(({ name, point, slow, write }): Array<Contender> => {
    if (slow === undefined || write === undefined || !who.some((one) => name.startsWith(one))) return []
    const [points, slows, writes] = [point(32), slow(3), write(8)]
    const loop: Loop = (until, note) =>
      Promise.all([points(until, note), slows(until, () => {}), writes(until, () => {})])
    return [{ name, loop }]
  })

/** 64 fibers of points while one statement of 2 s runs: their p99 is to be held against the one they have alone. */
const beside = (all: ReadonlyArray<Side>) =>
  all.flatMap(({ name, point, long }): Array<Contender> => {
    if (long === undefined || !who.some((one) => name.startsWith(one))) return []
    const [points, longs] = [point(64), long(1)]
    return [{ name, loop: (until, note) => Promise.all([points(until, note), longs(until, () => {})]) }]
  })

const load = (loadavg()[0] ?? 0).toFixed(1)
const postgres = await server()
const all = [...(await sides(postgres.url))]
/** What has nothing to do with lanes comes first: see `withoutLanes`. */
const plain: Record<string, () => ReadonlyArray<Contender>> = {
  "Read and update in a transaction, 1 fiber": () => contenders(all, "transfer", 1),
  "Read and update in a transaction, 32 fibers": () => contenders(all, "transfer", 32),
  "10,000 rows, 1 fiber": () => contenders(all, "many", 1)
}
const reads: Record<string, () => ReadonlyArray<Contender>> = {
  "Point select, 1 fiber": () => contenders(all, "point", 1),
  "Point select, 64 fibers": () => contenders(all, "point", 64),
  "Point select, 64 fibers, while one statement of 2 s runs": () => beside(all),
  "Mixed load: the point selects of 32 readers beside 3 slow statements and 8 writers": () => mixed(all),
  "100 rows of 3 columns, 16 fibers": () => contenders(all, "rows3", 16),
  "100 rows of 20 columns, 16 fibers": () => contenders(all, "rows20", 16)
}
const rates: Record<string, ReadonlyArray<Figure>> = {}
const keep = (title: string, figures: ReadonlyArray<Figure>) => {
  rates[title] = figures
  printRates(title, figures)
}
const measure = async (workloads: typeof plain) => {
  for (const [title, make] of Object.entries(workloads)) {
    if (!wanted(title)) continue
    // Those that wait for 2 s each time need not do so as often; where both sides of the socket are busy, figures scatter most.
    const times = title.includes("of 2 s") ? 0.5 : title.includes("transaction") ? 2 : 1
    const rounds = Math.ceil(effort.rounds * times)
    keep(title, await compare(make(), { ...effort, rounds }))
  }
}
await measure(plain)
all.splice(2, 0, await withoutLanes(postgres.url))
await measure(reads)
await Promise.all(all.map((side) => side.close()))
if (wanted("sqlite")) for (const [title, figures] of Object.entries(await sqlite())) keep(title, figures)
const bulk = wanted("bulk")
const migrating = wanted("migrations")
const revisions = quick ? 100 : 500
const results: Results = {
  machine: `Node ${process.versions.node}, PostgreSQL ${postgres.version} on the same machine, ${cpus().length} cores, load average before ${load}`,
  effort: `${effort.rounds} rounds of ${effort.slice} ms each`,
  rates,
  inserts: bulk ? await inserts(postgres.url, quick ? 3 : 5) : [],
  streams: bulk ? await streaming(postgres.url, quick ? 1 : 5) : [],
  migrations: { revisions, figures: migrating ? await migrated(postgres.url, quick ? 2 : 7, revisions) : [] }
}
if (bulk) printBulk(results)
if (migrating) printMigrations(results)
await postgres.close()
const complete = !quick && only === "" && without === "" && who.includes("")
if (complete || out !== "") {
  const folder = out === "" ? "bench" : out
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(join(folder, "README.md"), section(results))
}
