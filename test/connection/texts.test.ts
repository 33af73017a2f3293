/** What a text is known to be, and how it earns the lane and loses it: a table of runs, no server and no clock. */
import { describe, expect, it } from "@effect/vitest"
import { rules } from "../../src/connection/SharedLane.js"
import * as Texts from "../../src/connection/Texts.js"
import type { Dialect } from "../../src/Dialect.js"
import { kind } from "../../src/dialect/postgres/kind.js"
import { leaves } from "../../src/dialect/postgres/leaves.js"

const text = () => new Texts.Text("read", false)

/** Runs of so many ms each, one after the other, from `at` on; says when the last has ended. */
const runs = (one: Texts.Text, millis: ReadonlyArray<number>, at = 0) =>
  millis.reduce((now, took) => {
    one.took(now, now + took, rules)
    return now + took
  }, at)

describe("a text", () => {
  it.each([
    [[], false],
    [[1], false],
    [[1, 1], true],
    [[9.9, 9.9], true],
    [[10, 1], false],
    [[1, 10, 1], false],
    [[1, 1, 11], false]
  ])("after runs of %j ms has earned the lane: %s", (millis, earned) => {
    const one = text()
    const end = runs(one, millis)
    expect(one.hasEarned(rules, end)).toBe(earned)
  })

  it("that is barred gains nothing until the bar is over, and is then a new one", () => {
    const one = text()
    const barred = runs(one, [1, 1, 40])
    runs(one, [1, 1, 1, 1], barred)
    expect(one.hasEarned(rules, barred + rules.bar)).toBe(false)
    const later = runs(one, [1, 1], barred + rules.bar)
    expect(one.hasEarned(rules, later)).toBe(true)
  })

  it("is barred for longer each time it has cost the lane something, up to a limit, until it is forgiven", () => {
    const one = text()
    const bars: Array<number> = []
    let now = 0
    const bar = () => {
      now = runs(one, [1, 1, 4_000], now)
      let length = 0
      while (length < 100_000) {
        const probe = Object.assign(Object.create(Object.getPrototypeOf(one)), one) as Texts.Text
        if (probe.hasEarned(rules, runs(probe, [0, 0], now + length))) break
        length += rules.bar
      }
      bars.push(length)
      now += length
    }
    for (let time = 0; time < 9; time++) bar()
    expect(bars.slice(0, 4)).toEqual([250, 500, 1_000, 2_000])
    expect(bars.at(-1)).toBe(rules.longestBar)
    now = runs(one, Array(rules.forgiven).fill(0.1), now)
    bar()
    expect(bars.at(-1)).toBe(rules.bar)
  })

  it("with a long record is not barred by what slows everything down now and then", () => {
    const one = text()
    const end = runs(one, [...Array(64).fill(0.3), 15])
    expect(one.hasEarned(rules, end)).toBe(true)
    // What stopped several at once is one stop.
    for (let i = 0; i < 20; i++) one.took(end - 14, end + 1, rules)
    expect(one.hasEarned(rules, end + 1)).toBe(true)
  })

  it("that is slow by far, or too often, is barred whatever its record", () => {
    const far = text()
    expect(far.hasEarned(rules, runs(far, [...Array(64).fill(0.3), 50]))).toBe(false)
    const often = text()
    expect(often.hasEarned(rules, runs(often, [...Array(64).fill(0.3), 15, 15, 15]))).toBe(false)
  })
})

const dialect = { kind, leaves } as Dialect

describe("what is known of texts", () => {
  it("is asked of the product once, and does not grow with the texts met", () => {
    let asked = 0
    const of = Texts.make({
      ...dialect,
      kind: (text) => {
        asked++
        return kind(text)
      }
    })
    for (let i = 0; i < 100; i++) of("SELECT 1")
    expect(asked).toBe(1)
    const first = of("SELECT 1")
    for (let i = 0; i < 5_000; i++) of(`SELECT ${i} AS n`)
    expect(of("SELECT 1")).not.toBe(first)
    const long = `SELECT '${"x".repeat(20_000)}'`
    expect(of(long)).not.toBe(of(long))
  })

  it.each([
    ["SET work_mem = '1MB'", true],
    ["SET LOCAL work_mem = '1MB'", false],
    ["SET TRANSACTION READ ONLY", false],
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", true],
    ["SELECT 1; SET x.y = 1", true],
    ["LISTEN c", true],
    ["NOTIFY c", false],
    ["SELECT pg_notify('c', 'LISTEN')", false],
    ["SELECT set_config('a.b', 'c', false)", true],
    ["SELECT set_config('a.b', $1, true)", false],
    ["CREATE TEMP TABLE t (a int)", true],
    ["SELECT pg_advisory_lock(1)", true],
    ["SELECT pg_try_advisory_lock_shared(1)", true],
    ["SELECT pg_advisory_xact_lock(1)", false],
    ["SELECT pg_sleep(1)", false],
    ["SELECT pg_backend_pid()", false],
    ["PREPARE p AS SELECT 1", true],
    ["-- SET x\nSELECT pg_sleep(1)", false]
  ])("%s leaves something on its session: %s", (text, left) => {
    expect(Texts.make(dialect)(text).leaves).toBe(left)
  })
})
