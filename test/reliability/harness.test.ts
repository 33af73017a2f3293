/** The harness's own checks are checked: with a resolver that guesses, forgets or lies, the bank must find it out. */
import * as SqlClient from "@effect/sql/SqlClient"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { DatabaseError } from "effect-aquifer"
import { proxy } from "../support/proxy.js"
import { freshDatabase } from "../support/server.js"
import * as Bank from "./bank.js"
import { chance, type Teller, type Terms } from "./bank.js"
import { layerWithFate } from "./differs.js"
import * as Disturbance from "./disturbance.js"
import * as Tellers from "./tellers.js"

const terms: Terms = { seed: 5, transfers: 60, fibers: 8, accounts: 100, interrupts: false, books: true }

/** A third of the COMMITs fails, in every way but those that take long. */
const bankOn = (
  layer: (url: string) => Layer.Layer<SqlClient.SqlClient>,
  teller: (sql: SqlClient.SqlClient) => Teller = (sql) => Tellers.aquifer(sql, { count: 0 })
) =>
  Effect.gen(function* () {
    const url = yield* freshDatabase
    const bank = yield* Bank.open(url, terms)
    const line = yield* proxy(url)
    const random = chance(terms)
    line.linger = 500
    line.plan = {
      atRequest: () => undefined,
      atCommit: () => (random.next() < 0.35 ? random.pick(["lose before", "reset before", "reset after"]) : undefined)
    }
    yield* Effect.flatMap(SqlClient.SqlClient, (sql) => bank.work(teller(sql))).pipe(
      Effect.provide(layer(line.through(url)))
    )
    yield* Disturbance.quiet(url)
    return { bank, violations: yield* Bank.audit(bank, url) }
  })

const lying = (answer: "committed" | "aborted") => (url: string) =>
  layerWithFate({ ...Tellers.options, url }, () => () => Effect.succeed(answer))

it.scopedLive("an honest resolver passes under the same faults", () =>
  Effect.gen(function* () {
    const { bank, violations } = yield* bankOn(Tellers.aquiferLayer)
    expect(violations).toEqual(Bank.sound)
    expect(Bank.figures(bank).unknown).toBe(0)
  })
)

it.scopedLive("a resolver that always says aborted is found out: transfers are done twice", () =>
  Effect.gen(function* () {
    const { violations } = yield* bankOn(lying("aborted"))
    expect(violations.doubled.length).toBeGreaterThan(0)
    expect(violations.lost).toEqual([])
  })
)

it.scopedLive("a resolver that always says committed is found out: transfers are lost", () =>
  Effect.gen(function* () {
    const { violations } = yield* bankOn(lying("committed"))
    expect(violations.lost.length).toBeGreaterThan(0)
    expect(violations.misbooked.length).toBeGreaterThan(0)
    expect(violations.doubled).toEqual([])
  })
)

it.scopedLive("a caller who repeats what is unknown is found out: transfers are done twice", () =>
  Effect.gen(function* () {
    const { violations } = yield* bankOn(Tellers.aquiferLayer, (sql) => {
      const unconfirmed = Tellers.aquifer(sql, { count: 0 }, "off")
      return (transfer) =>
        Effect.retry(unconfirmed(transfer), {
          times: 20,
          while: (error) => DatabaseError.find(error)?._tag === "CommitUnknown"
        })
    })
    expect(violations.doubled.length).toBeGreaterThan(0)
  })
)

it.scopedLive("what is reported unknown is unknown: some is there, some is not, none of it twice", () =>
  Effect.gen(function* () {
    const { bank, violations } = yield* bankOn(Tellers.aquiferLayer, (sql) => Tellers.aquifer(sql, { count: 0 }, "off"))
    expect(violations).toEqual(Bank.sound)
    expect(Bank.figures(bank).unknown).toBeGreaterThan(0)
  })
)
