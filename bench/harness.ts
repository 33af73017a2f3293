/**
 * Measures several contenders at the same work in one process: a short slice each, in turn, the order rotated, for several
 * rounds. What disturbs the machine disturbs them all, so ratios hold where absolute figures do not.
 */
import { performance } from "node:perf_hooks"

/** One closed loop: does the work again and again until `until` (ms on the monotonic clock), noting how long each took. */
export type Loop = (until: number, note: (millis: number) => void) => Promise<unknown>

/** One side of a comparison. */
export interface Contender {
  readonly name: string
  readonly loop: Loop
}

/** What a contender did: medians over the rounds. */
export interface Figure {
  readonly name: string
  /** Operations a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
  /** Processor time of this process for one operation, in µs: what a loaded machine distorts least. */
  readonly cpu: number
  /** To the baseline, round by round, so that both stood under the same load; the median. */
  readonly ratio: number
}

/** How long it takes. */
export interface Effort {
  readonly rounds: number
  readonly slice: number
  /** Operations before anything is measured, or so many ms of them: cold code is slower by several times. */
  readonly warm: { readonly operations: number; readonly millis: number }
}

const sorted = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)

const at = (values: ReadonlyArray<number>, part: number) =>
  values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN

/** The middle of them. */
export const median = (values: ReadonlyArray<number>): number => at(sorted(values), 0.5)

const slice = async ({ loop }: Contender, millis: number) => {
  const taken: Array<number> = []
  const used = process.cpuUsage()
  const start = performance.now()
  let last = start
  await loop(start + millis, (one) => {
    taken.push(one)
    last = performance.now()
  })
  const { system, user } = process.cpuUsage(used)
  const inOrder = sorted(taken)
  return {
    // What else runs beside it may end later.
    rate: (taken.length / (last - start)) * 1000,
    p50: at(inOrder, 0.5),
    p99: at(inOrder, 0.99),
    cpu: (system + user) / taken.length
  }
}

const warm = async ({ loop }: Contender, { slice, warm }: Effort) => {
  let done = 0
  const end = performance.now() + warm.millis / passes
  while (done < warm.operations / passes && performance.now() < end) await loop(performance.now() + slice, () => done++)
}

/** In turns: what the engine learns from one makes it compile anew what it had compiled for the others. */
const passes = 4

/** All contenders, interleaved. */
export const compare = async (contenders: ReadonlyArray<Contender>, effort: Effort): Promise<Array<Figure>> => {
  const slices = contenders.map((): Array<Omit<Figure, "name" | "ratio">> => [])
  for (let pass = 0; pass < passes; pass++) for (const contender of contenders) await warm(contender, effort)
  for (let round = 0; round < effort.rounds; round++) {
    // Nobody asks for a collection: it would throw away optimised code, and make whoever comes next compile his again.
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round) % contenders.length
      const contender = contenders[index]
      if (contender === undefined) continue
      slices[index]?.push(await slice(contender, effort.slice))
    }
  }
  const base = slices[contenders.findIndex(({ name }) => name.startsWith("stock"))] ?? []
  return contenders.map(({ name }, index) => {
    const ratio = median((slices[index] ?? []).map(({ rate }, round) => rate / (base[round]?.rate ?? Number.NaN)))
    const of = (key: Exclude<keyof Figure, "name" | "ratio">) => median((slices[index] ?? []).map((one) => one[key]))
    return { name, rate: of("rate"), p50: of("p50"), p99: of("p99"), cpu: of("cpu"), ratio }
  })
}

/** Work of a fixed size, once a round each: the milliseconds it took, the median of the rounds. */
export const race = async (
  contenders: ReadonlyArray<{ readonly name: string; readonly run: () => Promise<number> }>,
  rounds: number
): Promise<Array<{ readonly name: string; readonly millis: number }>> => {
  const times = contenders.map((): Array<number> => [])
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round) % contenders.length
      globalThis.gc?.()
      const millis = await contenders[index]?.run()
      if (millis !== undefined) times[index]?.push(millis)
    }
  }
  return contenders.map(({ name }, index) => ({ name, millis: median(times[index] ?? []) }))
}

/** How long a promise takes. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Many loops of one operation at once, for code of promises. */
export const promises =
  (loops: number, once: () => Promise<unknown>): Loop =>
  (until, note) =>
    Promise.all(
      Array.from({ length: loops }, async () => {
        for (let now = performance.now(); now < until; ) {
          await once()
          const then = performance.now()
          note(then - now)
          now = then
        }
      })
    )
