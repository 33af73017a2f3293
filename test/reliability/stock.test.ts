/**
 * One bank, the same faults, three times: with the stock client and a plain retry around its transaction, which is expected
 * to fail (what it loses, doubles or dies of; should it ever hold, the comparison has to be written anew), and with ours.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { proxy } from "../support/proxy.js"
import { freshDatabase } from "../support/server.js"
import * as Bank from "./bank.js"
import { chance, type Teller, type Terms } from "./bank.js"
import * as Disturbance from "./disturbance.js"
import * as Tellers from "./tellers.js"

const terms: Terms = { seed: 20, transfers: 300, fibers: 16, accounts: 200, interrupts: false, books: false }
const wanted = 20

const bankOf = (teller: (sql: SqlClient.SqlClient) => Teller, layer = Tellers.stockLayer) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    const bank = yield* Bank.open(url, terms)
    const line = yield* proxy(url)
    const random = chance(terms)
    const by = Disturbance.plan(random, Disturbance.plainCuts, terms.transfers, wanted)
    // Chance decides about the line; of the COMMITs every twelfth fails, so that none of it is luck.
    let commits = 0
    line.plan = {
      ...by,
      atCommit: () => (++commits % 12 === 0 ? random.pick(["reset before", "reset after"]) : undefined)
    }
    // It knows no limits: what hangs is left behind.
    yield* Effect.flatMap(SqlClient.SqlClient, (sql) => bank.work(teller(sql))).pipe(
      Effect.provide(layer(line.through(url))),
      Effect.disconnect,
      Effect.timeoutOption("40 seconds")
    )
    line.all("cut")
    yield* Disturbance.quiet(url)
    return { bank, line, violations: yield* Bank.audit(bank, url) }
  })

const show = (title: string, { bank, line, violations }: Effect.Effect.Success<ReturnType<typeof bankOf>>) => {
  const told = Bank.figures(bank)
  const { counts } = line
  console.log(title, {
    ...terms,
    done: told.done,
    failed: told.failed,
    died: told.died,
    why: told.why,
    diedAndThere: violations.ghosts.length,
    doubled: violations.doubled.length,
    lost: violations.lost.length,
    neverTold: violations.untold.length,
    line: Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  })
}

it.scopedLive(
  "the stock client under the same faults dies, and calls dead what is there",
  () =>
    Effect.gen(function* () {
      const outcome = yield* bankOf((sql) => Tellers.stock(sql, { count: 0 }))
      show("the bank with the stock client and Effect.retry:", outcome)
      const { died } = Bank.figures(outcome.bank)
      expect(died).toBeGreaterThan(0)
      expect(outcome.violations.ghosts.length).toBeGreaterThan(0)
    }),
  { timeout: 90_000 }
)

it.scopedLive(
  "the stock client with its defects retried, too, does transfers twice",
  () =>
    Effect.gen(function* () {
      const outcome = yield* bankOf((sql) => {
        const transfer = Tellers.stock(sql, { count: 0 })
        // The obvious mending: a COMMIT that died is a failure like any other, and is run again.
        const failing: Teller = (one) =>
          Effect.catchAllDefect(transfer(one), (defect) => Effect.fail(Cause.die(defect)))
        return (one) => Effect.retry(failing(one), { times: 20, while: Cause.isCause })
      })
      show("the bank with the stock client, Effect.retry, and its defects retried:", outcome)
      expect(outcome.violations.doubled.length).toBeGreaterThan(0)
    }),
  { timeout: 90_000 }
)

it.scopedLive(
  "Aquifer under the same faults: nobody dies, nothing is done twice, lost or unknown",
  () =>
    Effect.gen(function* () {
      const outcome = yield* bankOf((sql) => Tellers.aquifer(sql, { count: 0 }), Tellers.aquiferLayer)
      show("the bank with Aquifer:", outcome)
      const { died, done, unknown } = Bank.figures(outcome.bank)
      expect({ died, unknown, violations: outcome.violations }).toEqual({
        died: 0,
        unknown: 0,
        violations: Bank.sound
      })
      expect(done).toBeGreaterThan(terms.transfers * 0.9)
    }),
  { timeout: 90_000 }
)
