/** The ledger read in one text at every start says the same as its rows do. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Connections from "../../src/connection/Connections.js"
import * as Ledger from "../../src/migration/Ledger.js"
import { everywhere, on, prepare } from "./support.js"

const at = new Date(0)
const entry = (sequence: number, fields: Partial<Ledger.Entry> = {}): Ledger.Entry => ({
  id: `000${sequence}`,
  name: "t",
  kind: "sql",
  checksum: "abc",
  parents: [],
  state: "applied",
  origin: "run",
  step: 0,
  sequence,
  startedAt: at,
  finishedAt: at,
  appliedBy: "me",
  error: undefined,
  ...fields
})

const entries = [
  entry(1),
  entry(2, { name: "a 'name' of\nmany \\ parts", parents: ["0001", "of two words"], checksum: undefined }),
  entry(3, { kind: "effect", state: "applying", step: -3, error: 'it said: "no"\n\tand no again', parents: ["0001"] }),
  entry(11, { id: "20260102_030405", name: "" })
]

for (const product of everywhere) {
  describe(`the ledger on ${product.name}`, () => {
    prepare(product)

    it.live("is read at a glance as it is row by row, however many there are", () =>
      on(product, () =>
        Effect.gen(function* () {
          const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
          const ledger = Ledger.make(connections.dialect, { table: "aquifer_migrations" })
          const own = yield* connections.reserve
          const asked = own.run({ text: ledger.brief.select, params: [], prepare: true, rows: "arrays" })
          const brief = Effect.map(asked, ({ rows }) => rows)
          yield* ledger.create(own)
          expect(ledger.brief.decode(yield* brief)).toEqual([])
          expect(ledger.brief.same(yield* brief, [])).toBe(true)
          // Not in the order in which they are to be read.
          for (const one of [entries[3], entries[0], entries[2], entries[1]]) {
            if (one !== undefined) yield* ledger.insert(own, one)
          }
          const untold = { origin: "run", startedAt: at, finishedAt: undefined, appliedBy: "" }
          const read = yield* ledger.read(own)
          expect(read).toEqual(entries)
          expect(ledger.brief.decode(yield* brief)).toEqual(read.map((one) => ({ ...one, ...untold })))
        }).pipe(Effect.scoped)
      )
    )

    it.live("is not led astray by a name or an error that holds what stands between the rows", () =>
      on(product, () =>
        Effect.gen(function* () {
          const connections = yield* Effect.flatMap(SqlClient.SqlClient, Connections.of)
          const ledger = Ledger.make(connections.dialect, { table: "aquifer_migrations" })
          const own = yield* connections.reserve
          yield* ledger.create(own)
          yield* ledger.insert(own, entry(1, { name: "a\u001eb\u001fc", state: "applying", error: "d\u001fe\u001ef" }))
          const { rows } = yield* own.run({ text: ledger.brief.select, params: [], prepare: true, rows: "arrays" })
          expect(ledger.brief.decode(rows)).toMatchObject([{ id: "0001", name: "a b c", error: "d e f" }])
        }).pipe(Effect.scoped)
      )
    )
  })
}
