/** What becomes of Effect's metrics in Prometheus' text, read back by a strict reader. */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as Prometheus from "../../src/http/Prometheus.js"
import { parse } from "./exposition.js"

/** The metrics of the process are one for all tests of this file: each has names of its own. */
const scrape = Effect.map(Metric.snapshot, Prometheus.text)

const families = Effect.map(scrape, parse)

describe("the text of", () => {
  it.effect("a counter that only grows, one that may fall, and a gauge", () =>
    Effect.gen(function* () {
      yield* Metric.incrementBy(Metric.counter("a.grows", { incremental: true, description: "It\ngrows \\o/" }), 3)
      yield* Metric.incrementBy(Metric.counter("a.falls"), -2)
      yield* Metric.set(Metric.gauge("a.gauge", { bigint: true }), 2n ** 63n)
      yield* Metric.increment(Metric.counter("a.named_total", { incremental: true }))
      const all = yield* families
      expect(all.get("a_grows_total")).toEqual({
        type: "counter",
        help: "It\ngrows \\o/",
        samples: [{ name: "a_grows_total", labels: {}, value: 3 }]
      })
      expect(all.get("a_falls")).toMatchObject({ type: "gauge", samples: [{ value: -2 }] })
      expect(yield* scrape).toContain("\na_gauge 9223372036854775808\n")
      expect(all.get("a_named_total")?.samples).toHaveLength(1)
    })
  )

  it.effect("a histogram counts what is not above each bound, and all at +Inf", () =>
    Effect.gen(function* () {
      const histogram = Metric.histogram("b.seconds", MetricBoundaries.fromIterable([0.5, 1, 2]), "How long")
      yield* Effect.forEach([0.1, 0.5, 0.7, 1.5, 99, Number.NaN], (value) =>
        Metric.update(Metric.tagged(histogram, "le", "own"), value)
      )
      const family = (yield* families).get("b_seconds")
      expect(family?.samples.map(({ name, labels, value }) => [name, labels.le, value])).toEqual([
        ["b_seconds_bucket", "0.5", 2],
        ["b_seconds_bucket", "1", 3],
        ["b_seconds_bucket", "2", 4],
        ["b_seconds_bucket", "+Inf", 6],
        ["b_seconds_sum", undefined, Number.NaN],
        ["b_seconds_count", undefined, 6]
      ])
      // The format's own label wins; the other one keeps its value under another name.
      expect(new Set(family?.samples.map(({ labels }) => labels.le2))).toEqual(new Set(["own"]))
    })
  )

  it.effect("a summary, a frequency and a timer", () =>
    Effect.gen(function* () {
      const summary = Metric.summary({
        name: "c.summary",
        maxAge: "1 day",
        maxSize: 10,
        error: 0.01,
        quantiles: [0.5, 0.9]
      })
      yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], (value) => Metric.update(summary, value))
      yield* Metric.update(Metric.frequency("c.frequency"), 'a "b"')
      yield* Metric.update(Metric.timer("c.timer"), Duration.millis(3))
      const all = yield* families
      expect(all.get("c_summary")?.samples.map(({ labels, name, value }) => [name, labels.quantile, value])).toEqual([
        ...(yield* Metric.value(summary)).quantiles.map(([quantile, value]) => [
          "c_summary",
          String(quantile),
          Option.getOrThrow(value)
        ]),
        ["c_summary_sum", undefined, 55],
        ["c_summary_count", undefined, 10]
      ])
      expect(all.get("c_frequency_total")?.samples).toEqual([
        { name: "c_frequency_total", labels: { key: 'a "b"' }, value: 1 }
      ])
      expect(all.get("c_timer")?.type).toBe("histogram")
    })
  )

  it.effect("names that are one to Prometheus stays valid, and nothing is lost", () =>
    Effect.gen(function* () {
      const tagged = (name: string) => Metric.tagged(Metric.counter(name, { incremental: true }), "tag", "x")
      yield* Metric.increment(tagged("d.one"))
      yield* Metric.incrementBy(tagged("d_one"), 2)
      yield* Metric.incrementBy(tagged("d/one"), 4)
      yield* Metric.set(Metric.gauge("d.one.total"), 8)
      yield* Metric.update(Metric.histogram("d.times", MetricBoundaries.fromIterable([1])), 1)
      yield* Metric.set(Metric.gauge("d.times.count"), 16)
      yield* Metric.set(Metric.tagged(Metric.tagged(Metric.gauge("d.labels"), "a.b", "1"), "a_b", "2"), 32)
      const all = yield* families
      const values = [...all].filter(([name]) => name.startsWith("d_")).flatMap(([, { samples }]) => samples)
      expect(values.reduce((sum, { value }) => sum + value, 0)).toBe(1 + 2 + 4 + 8 + 16 + 32 + 4)
      expect(Object.values(all.get("d_labels")?.samples[0]?.labels ?? {}).sort()).toEqual(["1", "2"])
    })
  )

  it.effect("no metric at all is empty", () => Effect.sync(() => expect(Prometheus.text([])).toBe("")))

  const pair = ({
    help,
    kind,
    label,
    name,
    other,
    value
  }: Record<"help" | "label" | "name" | "other" | "value", string> & { kind: number }) => {
    const pair = (key: MetricKey.MetricKey.Untyped, state: MetricState.MetricState.Untyped) =>
      MetricPair.unsafeMake(MetricKey.tagged(MetricKey.tagged(key, label, value), other, value), state)
    const description = help
    if (kind === 0) return pair(MetricKey.counter(name, { description, incremental: true }), MetricState.counter(1))
    if (kind === 1) return pair(MetricKey.gauge(name, { description }), MetricState.gauge(1))
    if (kind === 2)
      return pair(
        MetricKey.frequency(name, { description }),
        MetricState.frequency(
          new Map([
            [value, 1],
            ["", 2]
          ])
        )
      )
    const state = MetricState.histogram({
      buckets: [
        [1, 0],
        [2, 1]
      ],
      count: 2,
      min: 1.5,
      max: 9,
      sum: 10.5
    })
    return pair(MetricKey.histogram(name, MetricBoundaries.fromIterable([1, 2]), help), state)
  }

  it("whatever names, labels and descriptions somebody chose can be read, values as they were", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "le", "__x", "a.b", "a_b", "7", '"', "\\n", "\n", "key", "total")
    )
    const metrics = fc.array(
      fc.record({ kind: fc.nat(3), name: text, help: text, label: text, other: text, value: text }),
      { minLength: 1, maxLength: 12 }
    )
    fc.assert(
      fc.property(metrics, (made) => {
        const read = parse(Prometheus.text(made.map(pair)))
        const samples = [...read.values()].flatMap(({ samples }) => samples)
        const labels = samples.flatMap(({ labels }) => Object.values(labels))
        const lines = made.map(({ kind, value }) => [1, 1, value === "" ? 1 : 2, 5][kind] ?? 0)
        expect(samples.length).toBe(lines.reduce((sum, count) => sum + count, 0))
        for (const { value } of made) expect(labels).toContain(value)
      }),
      { numRuns: 500 }
    )
  })
})
