/**
 * Effect's metrics as Prometheus reads them: text exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats). A scrape with one broken line, or with two lines of one
 * name and the same labels, is refused whole; so whatever names and labels somebody chose, what comes out is valid.
 *
 * @since 0.1.0
 */
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/** What the text must be called when it is sent. @since 0.1.0 @category constants */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/** One line of a series: what follows the family's name, the label that tells it from its siblings, its value. */
type Line = readonly [suffix: string, label: readonly [name: string, value: string] | undefined, value: number | bigint]

interface Family {
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly name: string
  readonly help: string | undefined
  /** By their labels. */
  readonly series: Map<string, ReadonlyArray<string>>
}

/** What names a family takes for itself besides its own. */
const suffixes: Readonly<Record<Family["type"], ReadonlyArray<string>>> = {
  counter: [],
  gauge: [],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["_sum", "_count"]
}

/** All of them, by name. @since 0.1.0 @category conversions */
export const text = (pairs: Iterable<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Family>()
  const taken = new Set<string>()
  for (const { metricKey, metricState } of pairs) {
    const shape = shapeOf(metricState, metricKey.keyType)
    if (shape === undefined) continue
    const [type, lines] = shape
    const wanted = `${metricName(metricKey.name)}${type === "counter" ? "_total" : ""}`.replace(
      /_total_total$/,
      "_total"
    )
    const key = `${type} ${wanted}`
    const family = families.get(key) ?? {
      type,
      name: free(taken, wanted, type),
      help: Option.getOrUndefined(metricKey.description),
      series: new Map()
    }
    families.set(key, family)
    add(family, metricKey.tags, lines)
  }
  return [...families.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ help, name, series, type }) => [
      ...(help === undefined ? [] : [`# HELP ${name} ${escaped(help)}\n`]),
      `# TYPE ${name} ${type}\n`,
      ...[...series.values()].flat()
    ])
    .join("")
}

/** The type and the lines of one metric; none of a kind that is not known here. */
const shapeOf = (
  state: MetricState.MetricState.Untyped,
  type: object
): readonly [Family["type"], ReadonlyArray<Line>] | undefined => {
  if (MetricState.isCounterState(state)) {
    // A count that may fall is none to Prometheus, which would take the fall for a restart.
    return ["incremental" in type && type.incremental === true ? "counter" : "gauge", [["", undefined, state.count]]]
  }
  if (MetricState.isGaugeState(state)) return ["gauge", [["", undefined, state.value]]]
  if (MetricState.isFrequencyState(state)) {
    return ["counter", Array.from(state.occurrences, ([value, count]): Line => ["", ["key", value], count])]
  }
  if (MetricState.isHistogramState(state)) {
    const finite = state.buckets.filter(([bound]) => Number.isFinite(bound))
    const buckets = [...finite, [Number.POSITIVE_INFINITY, state.count] as const]
    return [
      "histogram",
      [
        ...buckets.map(([bound, count]): Line => ["_bucket", ["le", number(bound)], count]),
        ["_sum", undefined, state.sum],
        ["_count", undefined, state.count]
      ]
    ]
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.map(
      ([quantile, value]): Line => ["", ["quantile", number(quantile)], Option.getOrElse(value, () => Number.NaN)]
    )
    return ["summary", [...quantiles, ["_sum", undefined, state.sum], ["_count", undefined, state.count]]]
  }
  return undefined
}

const add = (
  { name, series }: Family,
  tags: ReadonlyArray<{ readonly key: string; readonly value: string }>,
  lines: ReadonlyArray<Line>
) => {
  const labels = new Map<string, string>()
  const own = new Set(lines.flatMap(([, label]) => (label === undefined ? [] : [label[0]])))
  for (const { key, value } of tags)
    labels.set(
      other(labelName(key), (name) => labels.has(name) || own.has(name)),
      value
    )
  const label = ([name, value]: readonly [string, string]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`
  const key = () => Array.from(labels, label).sort().join()
  // Names that differ where Prometheus has no difference, or one name with two descriptions.
  if (series.has(key())) {
    const alike = other("series", (name) => labels.has(name) || own.has(name))
    for (let nth = 2; series.has(key()); nth++) labels.set(alike, String(nth))
  }
  series.set(
    key(),
    lines.map(([suffix, own, value]) => {
      const all = [...labels, ...(own === undefined ? [] : [own])].map(label).join()
      return `${name}${suffix}${all === "" ? "" : `{${all}}`} ${number(value)}\n`
    })
  )
}

/** The name, or one like it, for a family of this type; taken from now on. */
const free = (taken: Set<string>, wanted: string, type: Family["type"]): string => {
  const all = (name: string) => ["", ...suffixes[type]].map((suffix) => name + suffix)
  const name = other(wanted, (name) => all(name).some((one) => taken.has(one)))
  for (const one of all(name)) taken.add(one)
  return name
}

/** A number behind it makes another name of any; an underscore would make a reserved one of a label that is one. */
const other = (name: string, taken: (name: string) => boolean): string => {
  let candidate = name
  for (let nth = 2; taken(candidate); nth++) candidate = `${name}${nth}`
  return candidate
}

const metricName = (name: string): string => name.replace(/[^a-zA-Z0-9_:]/g, "_").replace(/^(?=\d|$)/, "_")

/** Those that begin with two underscores are Prometheus' own. */
const labelName = (name: string): string =>
  name
    .replace(/[^a-zA-Z0-9_]/g, "_")
    .replace(/^__+/, "_")
    .replace(/^(?=\d|$)/, "_")

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const number = (value: number | bigint): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)
