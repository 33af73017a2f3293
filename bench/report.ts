/** Figures for people: tables on the terminal, and the README's section with ratios to the stock stack. */
import Table from "cli-table3"
import type { Figure } from "./harness.js"
import type { Migrated } from "./migrations.js"

/** What one run found. */
export interface Results {
  readonly machine: string
  readonly effort: string
  /** Closed loops: operations a second. */
  readonly rates: Record<string, ReadonlyArray<Figure>>
  /** Work of a fixed size: milliseconds. */
  readonly inserts: ReadonlyArray<{ readonly name: string; readonly millis: number }>
  readonly streams: ReadonlyArray<{
    readonly name: string
    readonly rows: number
    readonly millis: number
    readonly peak: number
  }>
  /** So many revisions from empty, and a run that finds nothing pending. */
  readonly migrations: { readonly revisions: number; readonly figures: ReadonlyArray<Migrated> }
}

const whole = (value: number) => Math.round(value).toLocaleString("en-US")
const short = (value: number) => (value >= 10 ? value.toFixed(1) : value.toFixed(3))
const times = (ratio: number) => (Number.isNaN(ratio) ? "" : `${ratio.toFixed(2)} x`)

const rateHead = ["", "a second", "to stock", "p50 ms", "p99 ms", "CPU µs"]
const rateRows = (figures: ReadonlyArray<Figure>) =>
  figures.map(({ cpu, name, p50, p99, rate, ratio }) => [
    name,
    whole(rate),
    times(ratio),
    short(p50),
    short(p99),
    cpu.toFixed(1)
  ])

const insertRows = ({ inserts }: Results) => inserts.map(({ name, millis }) => [name, whole(millis)])
const streamRows = ({ streams }: Results) =>
  streams.map(({ name, rows, millis, peak }) => [name, whole(rows), whole(millis), whole(peak)])

const migrationHead = ["", "from empty ms", "of stock", "CPU ms", "nothing pending ms", "of stock", "first ms"]
const migrationRows = ({ migrations }: Results) =>
  migrations.figures.map(({ cpu, empty, emptyRatio, first, name, none, noneRatio }) => [
    name,
    whole(empty),
    emptyRatio.toFixed(2),
    whole(cpu),
    short(none),
    noneRatio.toFixed(2),
    short(first)
  ])
const migrationTitle = ({ migrations }: Results) => `${migrations.revisions} migrations from an empty database`

/** One table of closed loops, as soon as it is there. */
export const print = (title: string, head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): void => {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [] },
    colAligns: ["left", ...head.slice(1).map(() => "right" as const)]
  })
  table.push(...rows.map((row) => [...row]))
  process.stdout.write(`\n${title}\n${table.toString()}\n`)
}

/** A workload's figures on the terminal. */
export const printRates = (title: string, figures: ReadonlyArray<Figure>): void =>
  print(title, rateHead, rateRows(figures))

/** Bulk work on the terminal. */
export const printBulk = (results: Results): void => {
  print("100,000 rows inserted", ["", "ms"], insertRows(results))
  print("rows streamed", ["", "rows", "ms", "peak MB"], streamRows(results))
}

/** Migrations on the terminal. */
export const printMigrations = (results: Results): void =>
  print(migrationTitle(results), migrationHead, migrationRows(results))

const markdown = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  [head, head.map((_, index) => (index === 0 ? "---" : "---:")), ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n")

/** The section for the README. */
export const section = (results: Results): string => {
  const rates = Object.entries(results.rates).map(
    ([title, figures]) => `### ${title}\n\n${markdown(rateHead, rateRows(figures))}`
  )
  return `# Speed

Measured by \`npm run bench\`: all contenders in one process (SQLite's in another), in turn, medians of the rounds (${results.effort}), ratios taken within each round; ${results.machine}.
Ratios hold from machine to machine, absolute figures do not. Everybody has ten connections at most; "ours" also has the two
shared lanes that come with a pool of five or more, "ours, no lane" does not.

${rates.join("\n\n")}

### 100,000 rows inserted

${markdown(["", "ms"], insertRows(results))}

### Rows streamed

Each in a process of its own; the peak is the most memory the process ever held.

${markdown(["", "rows", "ms", "peak MB"], streamRows(results))}

### ${migrationTitle(results)}

In a process of their own, a fresh database each time; then a run that finds nothing pending, the first and the median of fifteen
more. Ours commit each revision alone, stock all of them together.

${markdown(migrationHead, migrationRows(results))}
`
}
