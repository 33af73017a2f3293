/**
 * A reader of Prometheus' text format 0.0.4 that takes nothing but what the format says, written from its description and
 * not from what writes it here. https://prometheus.io/docs/instrumenting/exposition_formats
 */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly type: string
  readonly help: string | undefined
  readonly samples: ReadonlyArray<Sample>
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*/
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*/

const refuse = (line: string, why: string): never => {
  throw new Error(`${why}: ${JSON.stringify(line)}`)
}

/** What stands in a text or in a quoted value; any other use of a backslash is a mistake. */
const unescape = (text: string, quoted: boolean, line: string) =>
  text.replace(/\\([\s\S]?)/g, (_, next: string) =>
    next === "\\" ? "\\" : next === "n" ? "\n" : next === '"' && quoted ? '"' : refuse(line, "a lone backslash")
  )

const numberOf = (text: string, line: string): number => {
  if (text === "+Inf") return Number.POSITIVE_INFINITY
  if (text === "-Inf") return Number.NEGATIVE_INFINITY
  if (text === "NaN") return Number.NaN
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : refuse(line, "no number")
}

const sample = (line: string): Sample => {
  const name = metricName.exec(line)?.[0] ?? refuse(line, "no name")
  let rest = line.slice(name.length)
  const labels: Record<string, string> = {}
  if (rest.startsWith("{")) {
    rest = rest.slice(1)
    while (!rest.startsWith("}")) {
      const label = labelName.exec(rest)?.[0] ?? refuse(line, "no label")
      if (label.startsWith("__")) refuse(line, "a reserved label")
      if (Object.hasOwn(labels, label)) refuse(line, "a label twice")
      const value = /^="((?:[^"\\\n]|\\[\s\S])*)"/.exec(rest.slice(label.length)) ?? refuse(line, "no value of a label")
      labels[label] = unescape(value[1] ?? "", true, line)
      rest = rest.slice(label.length + value[0].length)
      if (rest.startsWith(",")) rest = rest.slice(1)
      else if (!rest.startsWith("}")) refuse(line, "no end of a label")
    }
    rest = rest.slice(1)
  }
  const [, value = ""] = /^ ([^ ]+)$/.exec(rest) ?? refuse(line, "no value")
  return { name, labels, value: numberOf(value, line) }
}

const key = ({ labels, name }: Sample, without?: string) =>
  JSON.stringify([name, Object.entries(labels).filter(([label]) => label !== without)].flat().sort())

const belongs = (name: string, family: string, type: string): boolean =>
  (type === "histogram" && ["_bucket", "_sum", "_count"].some((suffix) => name === family + suffix)) ||
  (type === "summary" && ["", "_sum", "_count"].some((suffix) => name === family + suffix)) ||
  ((type === "counter" || type === "gauge") && name === family)

const judgeHistogram = (family: string, samples: ReadonlyArray<Sample>) => {
  const of = (suffix: string) => samples.filter(({ name }) => name === family + suffix)
  const series = new Map<string, Array<Sample>>()
  for (const one of of("_bucket")) {
    const bare = key({ ...one, name: "" }, "le")
    series.set(bare, [...(series.get(bare) ?? []), one])
  }
  for (const [bare, buckets] of series) {
    const bounds = buckets.map(({ labels }) => numberOf(labels.le ?? "", family))
    if (bounds.some((bound, i) => i > 0 && bound <= (bounds[i - 1] ?? 0))) refuse(family, "bounds out of order")
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) refuse(family, "no +Inf")
    if (buckets.some(({ value }, i) => i > 0 && value < (buckets[i - 1]?.value ?? 0))) refuse(family, "not cumulative")
    const count = of("_count").find((one) => key({ ...one, name: "" }) === bare) ?? refuse(family, "no count")
    if (count.value !== buckets.at(-1)?.value) refuse(family, "+Inf is not the count")
    if (!of("_sum").some((one) => key({ ...one, name: "" }) === bare)) refuse(family, "no sum")
  }
}

/** The families of a scrape by name; throws at the first thing that is not as the format has it. */
export const parse = (text: string): ReadonlyMap<string, Family> => {
  if (!text.endsWith("\n")) refuse(text.slice(-40), "the last line does not end")
  const families = new Map<string, { type: string; help: string | undefined; samples: Array<Sample> }>()
  const seen = new Set<string>()
  let current = ""
  let help: readonly [string, string] | undefined
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) ([\s\S]*)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment
      if (families.has(name)) refuse(line, "a family twice")
      if (kind === "HELP") {
        help = [name, unescape(rest, false, line)]
        continue
      }
      if (!/^(?:counter|gauge|histogram|summary)$/.test(rest)) refuse(line, "no type")
      if (help !== undefined && help[0] !== name) refuse(line, "help of something else")
      families.set(name, { type: rest, help: help?.[1], samples: [] })
      current = name
      help = undefined
      continue
    }
    const one = sample(line)
    const family = families.get(current) ?? refuse(line, "no family")
    if (!belongs(one.name, current, family.type)) refuse(line, `no member of the ${family.type} ${current}`)
    if (seen.has(key(one))) refuse(line, "a series twice")
    seen.add(key(one))
    family.samples.push(one)
  }
  for (const [name, { samples, type }] of families) if (type === "histogram") judgeHistogram(name, samples)
  return families
}
