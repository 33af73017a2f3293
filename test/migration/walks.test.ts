/**
 * Random histories and random walks through them: after every step, ledger and schema are what a database has that was
 * brought there from empty. `AQUIFER_WALKS` says how many; a failure prints its seed, which `AQUIFER_SEED` walks again.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LiveSchema, Migrator } from "effect-aquifer"
import * as fc from "fast-check"
import { everywhere, folder, layerOf, ledger, on, type Product, prepare, schema, table } from "./support.js"

const walks = Number(process.env.AQUIFER_WALKS ?? 0)
const seed = process.env.AQUIFER_SEED === undefined ? {} : { seed: Number(process.env.AQUIFER_SEED) }
const usual = { sqlite: 12, postgresql: 4, pglite: 4 }

/** Each revision follows one or two that came before it, or nothing, and may need another one. */
const history = fc
  .array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 9 }), fc.boolean()), { minLength: 2, maxLength: 7 })
  .map((choices) =>
    choices.map(([one, two, kind, transaction], i) => {
      const parents = i === 0 || kind === 0 ? [] : kind > 7 ? [...new Set([one % i, two % i])] : [one % i]
      const needs = i > 1 && kind > 4 && kind < 7 ? [(two % i) + 1] : []
      return { id: i + 1, parents: parents.map((parent) => parent + 1), needs, transaction }
    })
  )

type Choice = typeof history extends fc.Arbitrary<ReadonlyArray<infer A>> ? A : never

const step = fc.oneof(
  fc.record({ do: fc.constant("up" as const), steps: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant("down" as const), steps: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant("to" as const), steps: fc.nat({ max: 7 }) }),
  fc.record({ do: fc.constant("merge" as const), steps: fc.constant(0) }),
  fc.record({ do: fc.constant("stamp" as const), steps: fc.nat({ max: 7 }) })
)

const file = ({ id, needs, parents, transaction }: Choice) =>
  [
    `${id}_r.sql`,
    `-- revises: ${parents.join(", ") || "base"}\n${needs.length === 0 ? "" : `-- depends-on: ${needs}\n`}${transaction ? "" : "-- transaction: false\n"}${table(`t${id}`)}`
  ] as const

/** The same revisions applied to an empty database, and nothing else. */
const replayed = (product: Product, url: string, directory: string, ids: ReadonlySet<string>) =>
  Effect.provide(
    Effect.gen(function* () {
      const graph = yield* Migrator.graph({ directory })
      for (const node of graph) if (ids.has(node.id)) yield* Migrator.up({ directory, to: node.id })
      return yield* schema
    }),
    layerOf(product, url)
  )

for (const product of everywhere) {
  describe(`random walks on ${product.name}`, () => {
    prepare(product)
    it.live(
      "always end where a replay from empty does",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(history, fc.array(step, { minLength: 2, maxLength: 7 }), (revisions, steps) =>
              Effect.runPromise(walk(product, revisions, steps) as Effect.Effect<void>)
            ),
            { numRuns: walks > 0 ? walks : usual[product.name], endOnFailure: true, ...seed }
          )
        ),
      60_000 + walks * 10_000
    )
  })
}

const walk = (
  product: Product,
  revisions: ReadonlyArray<Choice>,
  steps: ReadonlyArray<{ do: "up" | "down" | "to" | "merge" | "stamp"; steps: number }>
) =>
  on(product, () =>
    Effect.gen(function* () {
      const directory = yield* folder(Object.fromEntries(revisions.map(file)))
      const options = { directory }
      for (const one of steps) {
        const graph = yield* Migrator.graph(options)
        const target = one.steps === 0 ? "base" : (graph[(one.steps - 1) % graph.length]?.id ?? "base")
        const before = yield* applied(options)
        switch (one.do) {
          case "up":
            // A way there that is not clear is refused, and nothing is done.
            yield* Effect.either(Migrator.up({ ...options, to: "heads", steps: one.steps }))
            break
          case "down":
            yield* Effect.either(Migrator.down({ ...options, steps: one.steps }))
            break
          case "to":
            yield* Migrator.to(target, options)
            expect(yield* applied(options)).toEqual(ancestors(graph, target))
            break
          case "merge": {
            const made = yield* Effect.either(Migrator.merge(options))
            const heads = yield* Migrator.heads(options)
            expect(heads.length).toBe(made._tag === "Right" ? 1 : graph.filter((node) => node.isHead).length)
            break
          }
          case "stamp": {
            // Said, and then made true: what the ledger gains is run by hand, what it loses is undone.
            yield* Migrator.stamp(target, options)
            const after = yield* applied(options)
            expect(after).toEqual(ancestors(graph, target))
            yield* byHand(directory, graph, before, after)
            break
          }
        }
        const here = yield* applied(options)
        const status = yield* Migrator.status(options)
        expect(status.problems).toEqual([])
        expect(new Set(status.revisions.filter((line) => line.standing === "applied").map((line) => line.id))).toEqual(
          here
        )
        for (const node of graph) {
          if (here.has(node.id)) {
            for (const parent of [...node.parents, ...node.dependsOn]) expect(here.has(parent)).toBe(true)
          }
        }
        const other = yield* product.database
        const there = yield* replayed(product, other, directory, here)
        expect(LiveSchema.differences(there, yield* schema)).toEqual([])
      }
    })
  )

const applied = (options: Migrator.Options) =>
  Effect.map(
    Effect.zipRight(
      Migrator.status(options),
      Effect.orElseSucceed(ledger, () => [])
    ),
    (all): ReadonlySet<string> => new Set(all.map((line) => line.split(" ")[0] ?? ""))
  )

const ancestors = (graph: ReadonlyArray<Migrator.Place>, id: string): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (one: string) => {
    found.add(one)
    const node = graph.find((node) => node.id === one)
    for (const other of [...(node?.parents ?? []), ...(node?.dependsOn ?? [])]) visit(other)
  }
  if (id !== "base") visit(id)
  return found
}

const byHand = (
  directory: string,
  graph: ReadonlyArray<Migrator.Place>,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>
) =>
  Effect.gen(function* () {
    const { statements } = yield* Effect.promise(() => import("../../src/migration/SqlFile.js"))
    const { rows } = yield* Effect.promise(() => import("./support.js"))
    const section = (node: Migrator.Place, which: 0 | 1) => {
      const name = fs.readdirSync(directory).find((one) => one.startsWith(`${node.id}_`)) ?? ""
      const text = fs.readFileSync(path.join(directory, name), "utf8").split(/-- migrate:\w+/)
      return statements(text[which + 1] ?? "")
    }
    for (const node of [...graph].reverse()) {
      if (before.has(node.id) && !after.has(node.id)) for (const { text } of section(node, 1)) yield* rows(text)
    }
    for (const node of graph) {
      if (!before.has(node.id) && after.has(node.id)) for (const { text } of section(node, 0)) yield* rows(text)
    }
  })
