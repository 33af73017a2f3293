/** Large work: 100,000 rows in, a million rows out (in a process of their own, so that the peak of memory is theirs alone). */
import { execFile } from "node:child_process"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import pg from "pg"
import { from as copyFrom } from "pg-copy-streams"
import postgres from "postgres"
import * as Copy from "../src/client/Copy.js"
import { type Client, ours, stock } from "./effects.js"
import { median, race, timed } from "./harness.js"

const count = 100_000
const rows = Array.from({ length: count }, (_, i) => ({ id: i, name: `row ${i}`, value: i * 1.5 }))
const batches = (size: number) =>
  Array.from({ length: Math.ceil(count / size) }, (_, i) => rows.slice(i * size, (i + 1) * size))

const unnest = "INSERT INTO sink SELECT * FROM unnest($1::int[], $2::text[], $3::float8[])"
/** The same rows as COPY's text, in the pieces a file would be read in. */
const piece = 65_536
const text = Buffer.from(rows.map(({ id, name, value }) => `${id}\t${name}\t${value}\n`).join(""))
const pieces = Array.from({ length: Math.ceil(text.length / piece) }, (_, i) =>
  text.subarray(i * piece, (i + 1) * piece)
)

const columns = (batch: typeof rows) => [
  batch.map((row) => row.id),
  batch.map((row) => row.name),
  batch.map((row) => row.value)
]

const on = ({ sql }: Client) => Effect.provideService(SqlClient.SqlClient, sql)

/** 100,000 rows of three columns into an empty table. */
export const inserts = async (url: string, rounds: number) => {
  const our = await ours(url)
  const theirs = await stock(url)
  const js = postgres(url, { max: 10, onnotice: () => {} })
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  const copier = new pg.Client({ connectionString: url })
  await copier.connect()
  const emptied = async (work: () => Promise<unknown>) => {
    await pool.query("TRUNCATE sink")
    return timed(work)
  }
  const figures = await race(
    [
      {
        name: "ours, COPY",
        run: () => emptied(() => our.run(Copy.into({ table: "sink" }, Stream.fromIterable(pieces)).pipe(on(our))))
      },
      {
        name: "pg-copy-streams",
        run: () => emptied(() => pipeline(Readable.from(pieces), copier.query(copyFrom("COPY sink FROM STDIN"))))
      },
      {
        name: "ours, unnest by 5,000",
        run: () =>
          emptied(() =>
            our.run(
              Effect.forEach(
                batches(5_000),
                (batch) => {
                  const [ids, names, values] = columns(batch)
                  return our.sql`INSERT INTO sink SELECT * FROM unnest(${ids}::int[], ${names}::text[], ${values}::float8[])`
                },
                { discard: true }
              )
            )
          )
      },
      {
        name: "ours, sql.insert by 1,000",
        run: () =>
          emptied(() =>
            our.run(
              Effect.forEach(batches(1_000), (batch) => our.sql`INSERT INTO sink ${our.sql.insert(batch)}`, {
                discard: true
              })
            )
          )
      },
      {
        name: "stock, sql.insert by 1,000",
        run: () =>
          emptied(() =>
            theirs.run(
              Effect.forEach(batches(1_000), (batch) => theirs.sql`INSERT INTO sink ${theirs.sql.insert(batch)}`, {
                discard: true
              })
            )
          )
      },
      {
        name: "pg, unnest by 5,000",
        run: () =>
          emptied(async () => {
            for (const batch of batches(5_000)) await pool.query(unnest, columns(batch))
          })
      },
      {
        name: "postgres.js, by 1,000",
        run: () =>
          emptied(async () => {
            for (const batch of batches(1_000)) await js`INSERT INTO sink ${js(batch, "id", "name", "value")}`
          })
      }
    ],
    rounds
  )
  await Promise.all([our.close(), theirs.close(), js.end(), pool.end(), copier.end()])
  return figures
}

/** Who can stream a table in `stream.ts`. */
const streams = [
  ["ours", 1_000_000],
  ["ours", 100_000],
  ["stock", 1_000_000],
  ["pg-cursor", 1_000_000],
  ["pg-query-stream", 1_000_000],
  ["postgres.js", 1_000_000]
] as const

const run = promisify(execFile)

/** Rows streamed one after the other by a fresh process each: milliseconds and the most memory it ever held. */
export const streaming = async (url: string, rounds: number) => {
  const script = fileURLToPath(new URL("./stream.js", import.meta.url))
  const results = streams.map(([name, rows]) => ({
    name,
    rows,
    millis: [] as Array<number>,
    peak: [] as Array<number>
  }))
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      const { stdout } = await run(process.execPath, [script, result.name, String(result.rows), url])
      const { millis, peak } = JSON.parse(stdout)
      result.millis.push(millis)
      result.peak.push(peak)
    }
  }
  return results.map(({ name, rows, millis, peak }) => ({ name, rows, millis: median(millis), peak: median(peak) }))
}
