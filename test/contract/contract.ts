/**
 * A suite is a function of a layer: it states promises and knows no product. Each test builds the layer anew and so meets
 * an empty database. What a product cannot keep stands in its list of lacks, with the reason; the list is held to be true:
 * a lack that names no test is a failure.
 */
import type { Reactivity } from "@effect/experimental/Reactivity"
import { describe, expect, it as vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Database } from "effect-aquifer"

/** A promise a product does not keep, and why. */
export interface Lack {
  readonly test: string
  readonly reason: string
}

/** How a suite gets its databases. */
export interface Product {
  readonly name: string
  /** An empty database each time it is built; `options` are added to the product's own. */
  readonly database: (options?: Partial<Database.Options>) => Layer.Layer<Database.Services | Reactivity, unknown>
  /** The address of an empty database, for suites that need several clients of one. */
  readonly address: Effect.Effect<Database.Options, unknown, Scope.Scope>
  readonly lacks?: ReadonlyArray<Lack>
}

type Body = Effect.Effect<unknown, unknown, Database.Services | Reactivity | Scope.Scope>

/** States one promise; `options` change the database it is tried on. */
export type State = (title: string, body: () => Body, options?: Partial<Database.Options>) => void

export const contract = (name: string, product: Product, state: (it: State) => void): void => {
  describe(`${name} on ${product.name}`, () => {
    const titles = new Set<string>()
    state((title, body, options) => {
      titles.add(title)
      const lack = product.lacks?.find((lack) => lack.test === title)
      if (lack !== undefined) vitest.skip(`${title} (lacks ${lack.reason})`, () => undefined)
      else vitest.scopedLive(title, () => Effect.provide(body(), product.database(options)))
    })
    asked.set(product, new Set([...(asked.get(product) ?? []), ...titles]))
  })
}

const asked = new Map<Product, Set<string>>()

/** To be stated last in a product's file: every lack names a test that a suite has. */
export const lacksAreTrue = (product: Product): void => {
  describe(`what ${product.name} lacks`, () => {
    vitest("names tests that exist", () => {
      const unknown = (product.lacks ?? []).filter((lack) => !asked.get(product)?.has(lack.test))
      expect(unknown).toEqual([])
    })
  })
}
