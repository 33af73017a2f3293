/**
 * Runners killed without a goodbye at random moments while revision 7 of 20 runs: whoever comes next finishes, nothing is
 * applied twice, nothing is missing, and no index is left that nobody can use. `AQUIFER_KILLS` says how often.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, Migrator } from "effect-aquifer"
import * as Connections from "../../src/connection/Connections.js"
import { program, runner } from "./processes.js"
import { folder, ledger, on, type Product, products, rows, tables } from "./support.js"

type Served = Product<"sqlite" | "postgresql">

// A larger number than anybody waits for with every change.
const kills = Number(process.env.AQUIFER_KILLS ?? 3)

const log = (revision: number, part: number) => `INSERT INTO log VALUES (${revision}, ${part});\n`

/** What takes its time, so that a kill has something to hit. */
const slow: Readonly<Record<Served["name"], (n: number) => string>> = {
  postgresql: (n) =>
    `INSERT INTO big SELECT i, i FROM generate_series(${n}00001, ${n}00001 + 40000) AS i;\nSELECT pg_sleep(0.05);\n`,
  sqlite: (n) =>
    `INSERT INTO big WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60000) SELECT ${n}00000 + i, i FROM c;\n`
}

const indexes: Readonly<Record<Served["name"], string>> = {
  postgresql: `CREATE INDEX CONCURRENTLY seven_a ON big (v);
CREATE INDEX CONCURRENTLY seven_b ON big (id, v);
DROP INDEX CONCURRENTLY seven_a;
VACUUM log;
`,
  sqlite: "CREATE INDEX seven_a ON big (v);\nCREATE INDEX seven_b ON big (id, v);\nDROP INDEX seven_a;\nVACUUM;\n"
}

const files = (name: Served["name"], transaction: boolean) =>
  Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => {
      const n = i + 1
      const seven = `${log(7, 1)}${slow[name](7)}${transaction ? "" : indexes[name]}${log(7, 2)}${slow[name](8)}${log(7, 3)}`
      const body =
        n === 1
          ? `CREATE TABLE log (revision integer, part integer);\nCREATE TABLE big (id integer, v integer);\n${log(1, 1)}`
          : n === 7
            ? seven
            : log(n, 1)
      return [
        `${String(n).padStart(4, "0")}_r.sql`,
        `${transaction || n !== 7 ? "" : "-- transaction: false\n"}-- migrate:up\n${body}`
      ]
    })
  )

const parts = Array.from({ length: 20 }, (_, i) => i + 1).flatMap((n) => (n === 7 ? ["7 1", "7 2", "7 3"] : [`${n} 1`]))

/** Where the killed one stood, by its ledger. */
const stand = Effect.map(
  Effect.orElseSucceed(ledger, () => ["nothing"]),
  (all) => (all.length >= 20 ? "done" : all.length < 6 ? "before" : (all[6] ?? "0007 in its transaction"))
)

/** Between which moments the next kill falls; moved to where the seventh revision is here and now. */
interface Aim {
  from: number
  to: number
}

const aimed = (aim: Aim, at: number, where: string) => {
  if (where === "before") aim.from += (at - aim.from) * 0.3
  else if (where === "done" || where.startsWith("0007 applied")) aim.to -= (aim.to - at) * 0.3
  else {
    aim.from *= 0.97
    aim.to *= 1.03
  }
  aim.to = Math.max(aim.to, aim.from + 20)
}

const once = (product: Served, file: string, transaction: boolean, aim: Aim) =>
  on(product, (url) =>
    Effect.gen(function* () {
      const directory = yield* folder(files(product.name, transaction))
      const go = path.join(directory, "_go")
      const child = yield* runner(file, url, directory, go)
      yield* child.hears("ready")
      fs.writeFileSync(go, "")
      yield* child.hears("begins")
      // Chance is the point here: any moment, from before the first revision to behind the last.
      const at = aim.from + Math.random() * (aim.to - aim.from)
      yield* Effect.raceFirst(Effect.sleep(at), child.ended)
      child.kill()
      yield* child.ended
      const where = yield* stand
      aimed(aim, at, where)
      const report = yield* Migrator.up({ directory, lockTimeout: "60 seconds" })
      expect(report.already + report.applied.length).toBe(20)
      expect((yield* ledger).map((line) => line.split(" ")[1])).toEqual(Array.from({ length: 20 }, () => "applied"))
      const logged = yield* rows("SELECT revision, part FROM log ORDER BY revision, part")
      expect(logged.map((row) => `${row.revision} ${row.part}`)).toEqual(parts)
      expect(yield* rows("SELECT count(*) AS n FROM big")).toEqual([
        { n: product.name === "sqlite" ? 120_000 : "80002" }
      ])
      expect(yield* tables).toEqual(["big", "log"])
      const left =
        product.name === "sqlite"
          ? yield* rows("SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'seven%'")
          : yield* rows(
              "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid OR c.relname LIKE 'seven%'"
            )
      expect(left).toEqual(transaction ? [] : [{ name: "seven_b" }])
      return where
    })
  )

for (const product of products) {
  describe(`killed runners on ${product.name}`, () => {
    for (const transaction of [true, false]) {
      it.live(
        `${transaction ? "in a transaction" : "statement by statement"}: the next one finishes, nothing twice, nothing missing`,
        () =>
          Effect.scoped(
            Effect.gen(function* () {
              const file = yield* program
              const aim = { from: 0, to: 1_000 }
              const met = new Map<string, number>()
              for (let i = 0; i < kills; i++) {
                const where = yield* once(product, file, transaction, aim)
                met.set(where, (met.get(where) ?? 0) + 1)
              }
              expect([...met.values()].reduce((a, b) => a + b, 0)).toBe(kills)
              if (kills > 10) yield* Effect.logInfo(`${product.name}: ${JSON.stringify(Object.fromEntries(met))}`)
            })
          ),
        60_000 + kills * 20_000
      )
    }

    it.live(
      "10 processes at once: one applies, all succeed",
      () =>
        on(product, (url) =>
          Effect.gen(function* () {
            const file = yield* program
            const directory = yield* folder(files(product.name, true))
            const go = path.join(directory, "_go")
            const children = yield* Effect.all(Array.from({ length: 10 }, () => runner(file, url, directory, go)))
            yield* Effect.forEach(children, (child) => child.hears("ready"))
            fs.writeFileSync(go, "")
            const codes = yield* Effect.forEach(children, (child) => child.ended)
            expect(codes, children.map((child) => child.said()).join("\n")).toEqual(Array.from({ length: 10 }, () => 0))
            const said = children.map((child) => child.said().match(/applied (\d+)/)?.[1])
            expect(said.sort()).toEqual([...Array.from({ length: 9 }, () => "0"), "20"])
            const logged = yield* rows("SELECT revision, part FROM log ORDER BY revision, part")
            expect(logged.map((row) => `${row.revision} ${row.part}`)).toEqual(parts)
          })
        ),
      120_000
    )
  })
}

describe("an application that starts", () => {
  for (const product of products) {
    it.live(`50 times at the head sends one statement each and takes no lock, on ${product.name}`, () =>
      on(product, (url) =>
        Effect.gen(function* () {
          const directory = yield* folder(files(product.name, true))
          yield* Migrator.up({ directory })
          const sent: Array<string> = []
          const start = Effect.gen(function* () {
            const client = yield* SqlClient.SqlClient
            const connections = yield* Connections.of(client)
            const counting = Connections.mark(
              Object.assign(() => {}, client),
              {
                ...connections,
                run: (request) => {
                  sent.push(request.text)
                  return connections.run(request)
                },
                own: Effect.dieMessage("a session of its own was opened"),
                reserve: Effect.dieMessage("a connection was reserved")
              }
            )
            // Only the way to the connections is looked at.
            const layer = Layer.succeed(SqlClient.SqlClient, counting as unknown as SqlClient.SqlClient)
            yield* Effect.provide(Effect.void, Layer.provide(Migrator.layer({ directory, lockTimeout: 0 }), layer))
          })
          yield* Effect.forEach(
            Array.from({ length: 50 }),
            () => Effect.provide(start, Database.layer({ url, pool: { size: 1 } })),
            { concurrency: 10 }
          )
          expect(sent).toHaveLength(50)
          expect(new Set(sent).size).toBe(1)
          expect(sent[0]).toMatch(/^SELECT .* ORDER BY "sequence"\) FROM "aquifer_migrations"$/)
        })
      )
    )
  }
})
