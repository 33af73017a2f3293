/**
 * Small revisions from an empty database, and a run that finds nothing pending: everybody takes turns on databases of their own.
 * Nothing pending is asked again and again in one process, so what a process remembers counts; the first time is what a start
 * costs. A process of its own: `migrations.js <rounds> <revisions> <url>` prints the figures as JSON.
 */
import { performance } from "node:perf_hooks"
import pg from "pg"
import { median } from "./harness.js"
import { type Contestant, migrators } from "./migrators.js"

/** What one of them did: medians of the rounds in ms, ratios to stock taken within each round. */
export interface Migrated {
  readonly name: string
  readonly empty: number
  readonly emptyRatio: number
  /** Processor time of this process. */
  readonly cpu: number
  readonly none: number
  readonly noneRatio: number
  readonly first: number
}

const [, , rounds = "0", revisions = "0", address = ""] = process.argv
const count = Number(revisions)

const timed = async (run: () => Promise<number>) => {
  const before = process.cpuUsage()
  const start = performance.now()
  const applied = await run()
  const millis = performance.now() - start
  const { system, user } = process.cpuUsage(before)
  return { millis, cpu: (system + user) / 1000, applied }
}

/** Long enough for what the server still does behind hundreds of new tables; the slow ones are asked often enough, too. */
const asking = { times: 16, millis: 300 }

/** One turn: from an empty database to the newest revision, and then nothing to do. */
const turn = async (admin: pg.Client, one: Contestant, database: string) => {
  await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`)
  const url = new URL(address)
  url.pathname = `/${database}`
  const opened = await one.open(url.href)
  const empty = await timed(opened.run)
  if (empty.applied !== count) throw new Error(`${one.name} applied ${empty.applied}`)
  const none: Array<number> = []
  const until = performance.now() + asking.millis
  while (none.length < asking.times || performance.now() < until) none.push((await timed(opened.run)).millis)
  await opened.close()
  await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
  return { empty: empty.millis, cpu: empty.cpu, first: none[0] ?? Number.NaN, none: median(none.slice(1)) }
}

type Turn = Awaited<ReturnType<typeof turn>>

const { close, contestants } = migrators(count)
try {
  const admin = new pg.Client(address)
  await admin.connect()
  const turns = contestants.map((): Array<Turn> => [])
  // The first round only warms up.
  for (let round = -1; round < Number(rounds); round++) {
    for (let step = 0; step < contestants.length; step++) {
      // Three is no divisor of their number: everybody comes once, and not always behind the same one.
      const index = (step * 3 + round + 1) % contestants.length
      const one = contestants[index]
      if (one === undefined) continue
      const taken = await turn(admin, one, `bench_migrations_${round + 1}_${index}`)
      if (round >= 0) turns[index]?.push(taken)
    }
  }
  await admin.end()
  const stock = turns[contestants.findIndex(({ name }) => name.startsWith("stock"))] ?? []
  const figures = contestants.map(({ name }, index): Migrated => {
    const mine = turns[index] ?? []
    const of = (key: keyof Turn) => median(mine.map((one) => one[key]))
    const ratio = (key: keyof Turn) => median(mine.map((one, i) => one[key] / (stock[i]?.[key] ?? Number.NaN)))
    return {
      name,
      empty: of("empty"),
      emptyRatio: ratio("empty"),
      cpu: of("cpu"),
      none: of("none"),
      noneRatio: ratio("none"),
      first: of("first")
    }
  })
  process.stdout.write(JSON.stringify(figures))
} finally {
  close()
}
