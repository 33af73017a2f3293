/**
 * The bank under faults. Its size is the environment's: `BANK_TRANSFERS`, `BANK_FAULTS`, `BANK_CRASHES`, `BANK_SEED`; the
 * small form takes less than a minute. The large one: `BANK_TRANSFERS=20000 BANK_FAULTS=500 BANK_CRASHES=2`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { faults, proxy } from "../support/proxy.js"
import { scratchServer } from "../support/server.js"
import * as Bank from "./bank.js"
import { chance, type Terms } from "./bank.js"
import * as Disturbance from "./disturbance.js"
import * as Tellers from "./tellers.js"

const number = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] || otherwise)
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} is to be a whole number`)
  return value
}

const terms: Terms = {
  seed: number("BANK_SEED", 20),
  transfers: number("BANK_TRANSFERS", 1_500),
  fibers: 32,
  accounts: 300,
  interrupts: true,
  books: true
}
const wanted = number("BANK_FAULTS", 60)
const crashes = number("BANK_CRASHES", 1)

it.scopedLive(
  "the sum is unchanged, done is there exactly once, failed is not there, and nothing is unknown",
  () =>
    Effect.gen(function* () {
      const server = yield* scratchServer
      const bank = yield* Bank.open(server.url, terms)
      const line = yield* proxy(server.url)
      const random = chance(terms)
      Disturbance.disturb(line, random, Disturbance.everything, bank, wanted)
      const attempts = { count: 0 }
      const count = { kills: 0 }
      const started = performance.now()
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.forkScoped(Disturbance.killBackEnds(server.url, random, count))
        const crashing = yield* Effect.forkScoped(
          Effect.forEach(Array.from({ length: crashes }), (_, index) =>
            Disturbance.crashAt(bank, server, (index + 1) / (crashes + 1), random)
          )
        )
        yield* bank.work(Tellers.aquifer(sql, attempts))
        yield* Fiber.join(crashing)
      }).pipe(Effect.scoped, Effect.provide(Tellers.aquiferLayer(line.through(server.url))))
      const seconds = (performance.now() - started) / 1000
      line.all("cut")
      yield* Disturbance.quiet(server.url)
      const told = Bank.figures(bank)
      const done = faults(line.counts)
      console.log("the bank:", {
        ...terms,
        seconds: Math.round(seconds * 10) / 10,
        ...told,
        attempts: attempts.count,
        faults: done.all,
        faultsAtCommit: done.atCommit,
        kills: count.kills,
        crashes,
        line: line.counts
      })
      expect(yield* Bank.audit(bank, server.url)).toEqual(Bank.sound)
      expect(told.unknown).toBe(0)
      expect(told.died).toBe(0)
      expect(done.all).toBeGreaterThanOrEqual(wanted)
      expect(done.atCommit).toBeGreaterThanOrEqual(wanted / 10)
      expect(told.done).toBeGreaterThan(terms.transfers * 0.8)
    }),
  { timeout: 50_000 + terms.transfers * 30 }
)
