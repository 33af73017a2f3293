/**
 * CockroachDB's dialect keeps every contract: against a live node where `COCKROACH_TEST_URL` names one (a role that may create
 * databases), and always as far as PostgreSQL can play its part. What only a node can show is skipped by name.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "effect-aquifer"
import { describe, it } from "vitest"
import { freshDisguise } from "../dialect/cockroach/disguise.js"
import { freshOn, nodeUrl } from "../dialect/cockroach/node.js"
import { apart } from "./apart.js"
import { type Lack, lacksAreTrue, type Product } from "./contract.js"
import { errors } from "./errors.js"
import { models } from "./models.js"
import { pooling } from "./pooling.js"
import { postgres } from "./products.js"
import { rows } from "./rows.js"
import { statements } from "./statements.js"
import { together } from "./together.js"
import { transactions } from "./transactions.js"
import { values } from "./values.js"

const from = (name: string, address: Product["address"], lacks: ReadonlyArray<Lack>): Product => ({
  name,
  address,
  database: (options) =>
    Layer.merge(
      Layer.unwrapScoped(
        Effect.map(address, (own) => Database.layer({ ...own, pool: { size: 5, maxOverflow: 5 }, ...options }))
      ),
      Reactivity.layer
    ),
  lacks
})

const all = (product: Product) => {
  statements(product)
  transactions(product)
  pooling(product)
  together(product)
  apart(product)
  errors(product)
  values(product)
  rows(product)
  models(product)
  lacksAreTrue(product)
}

const noLocks: Lack = {
  test: "a lock lets one transaction at a time pass, and is given back with it",
  reason: "advisory locks: the functions are there and lock nothing, so that Transaction.lock is refused"
}

all(
  from(
    "CockroachDB's dialect, spoken to PostgreSQL",
    Effect.map(freshDisguise, ({ cockroachdb }) => ({ url: cockroachdb, profile: "development" })),
    [
      ...(postgres.lacks ?? []),
      noLocks,
      {
        test: "concurrent transfers that conflict are run again until all are done, and the sum is unchanged",
        reason:
          "a new snapshot behind a savepoint: there PostgreSQL meets the same conflict for ever, and only a node shows the end"
      }
    ]
  )
)

if (nodeUrl === undefined) {
  describe("CockroachDB", () => {
    it.skip("keeps every contract (needs COCKROACH_TEST_URL: the address of a live node)", () => undefined)
  })
} else {
  all(
    from(
      "CockroachDB",
      Effect.map(freshOn(nodeUrl), (url) => ({ url, profile: "development" })),
      [
        ...(postgres.lacks ?? []),
        noLocks,
        ...["a column can be called like a method of every object", "a column can be called __proto__"].map((test) => ({
          test,
          reason: "four-byte literals: a number written into the text is an INT8, which the driver reads as text"
        })),
        {
          test: "a stream that is run inside a transaction reads what that has written",
          reason: "a second statement beside an open portal (0A000): multiple_active_portals_enabled is off"
        }
      ]
    )
  )
}
