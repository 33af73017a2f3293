/** One process, one stream: `stream.js <who> <rows> <url>` prints how long it took and the peak of resident memory in MB. */
import { performance } from "node:perf_hooks"
import * as Stream from "effect/Stream"
import pg from "pg"
import Cursor from "pg-cursor"
import QueryStream from "pg-query-stream"
import postgres from "postgres"
import { type Client, ours, stock } from "./effects.js"

const [, , who = "", rows = "0", url = ""] = process.argv
const text = `SELECT id, name, value FROM numbers WHERE id <= ${Number(rows)}`

const effectful = async (client: Client) => {
  const start = performance.now()
  const counted = await client.run(
    Stream.runFold(Stream.chunks(client.sql.unsafe(text).stream), 0, (sum, chunk) => sum + chunk.length)
  )
  return [performance.now() - start, counted, client.close] as const
}

const sides: Record<string, () => Promise<readonly [millis: number, rows: number, close: () => Promise<unknown>]>> = {
  ours: async () => effectful(await ours(url)),
  stock: async () => effectful(await stock(url)),
  "pg-cursor": async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const start = performance.now()
    const cursor = client.query(new Cursor(text))
    let counted = 0
    for (;;) {
      const chunk = await cursor.read(1000)
      if (chunk.length === 0) break
      counted += chunk.length
    }
    return [performance.now() - start, counted, () => client.end()]
  },
  "pg-query-stream": async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const start = performance.now()
    let counted = 0
    for await (const _ of client.query(new QueryStream(text, [], { batchSize: 1000 }))) counted++
    return [performance.now() - start, counted, () => client.end()]
  },
  "postgres.js": async () => {
    const sql = postgres(url, { max: 1 })
    const start = performance.now()
    let counted = 0
    await sql.unsafe(text).cursor(1000, (chunk) => {
      counted += chunk.length
    })
    return [performance.now() - start, counted, () => sql.end()]
  }
}

const side = sides[who]
if (side === undefined) throw new Error(`nobody is called ${who}`)
const [millis, counted, close] = await side()
if (counted !== Number(rows)) throw new Error(`${counted} rows instead of ${rows}`)
process.stdout.write(JSON.stringify({ millis, peak: process.resourceUsage().maxRSS / 1024 }))
await close()
