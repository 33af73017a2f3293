/** Failures in words, and the terminal they are said on. */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { lines, said } from "../../src/cli/Failure.js"
import { amount } from "../../src/cli/layout.js"
import * as Terminal from "../../src/cli/Terminal.js"
import * as Errors from "../../src/model/DatabaseError.js"
import { MigrationError } from "../../src/model/MigrationError.js"

const lost = new Errors.ConnectionError({ operation: "connect", reason: "gone\n  away", phase: "connect", sent: false })

describe("a failure in words", () => {
  it("is one line that names the database and says what to do", () => {
    expect(lines(Cause.fail(lost), "postgres://me:***@db/x")).toEqual([
      "aquifer: ConnectionError (postgres://me:***@db/x): gone away. Check that the server runs and that host and port are right."
    ])
  })

  it("says how often it was tried and what the last try failed with", () => {
    const error = new Errors.RetriesExhausted({ operation: "commit", reason: "x", attempts: [lost, lost], last: lost })
    expect(lines(Cause.fail(error))[0]).toMatch(/^aquifer: gave up after 2 attempts\. ConnectionError: gone away\./)
  })

  it("finds the database's answer in whatever is around it", () => {
    expect(lines(Cause.fail(new Error("outer", { cause: lost })))[0]).toMatch(/^aquifer: ConnectionError: gone away\./)
  })

  it("of migrations names commands where the library names its functions", () => {
    const changed = new MigrationError({
      reason: "changed",
      problem: "its file has been changed since it was applied",
      remedy: "Put it back, or accept it with Migrator.repair({ accept })",
      revision: "0001_users"
    })
    expect(lines(Cause.fail(changed))).toEqual([
      "aquifer: migration 0001_users: its file has been changed since it was applied. Put it back, or accept it with aquifer migrate repair --accept 0001_users."
    ])
    expect(said(changed)[0]?.remedy).toBe("Put it back, or accept it with aquifer migrate repair --accept 0001_users.")
  })

  it("of every kind is one line that ends like a sentence and shows no stack", () => {
    for (const Class of Object.values(Errors.classes)) {
      // What a class needs besides is not looked at here.
      const fields = { operation: "test", reason: "it did not work", attempts: [lost], last: lost }
      const said = lines(Cause.fail(new Class(fields as never)), "sqlite:x.db")
      expect(said).toHaveLength(1)
      expect(said[0]).toMatch(/^aquifer: [^\n]*[.!?]$/)
    }
    expect(lines(Cause.die(new TypeError("x is not a function")))[0]).toMatch(/^aquifer: internal error: x is not/)
    expect(lines(Cause.fail({ odd: true }))[0]).toMatch(/^aquifer: failed for a reason/)
  })
})

describe("the terminal", () => {
  const make = (tty: boolean, noColor = false) => {
    const said = { out: "", err: "" }
    const output = (name: "out" | "err") => ({
      isTTY: tty,
      write: (text: string) => {
        said[name] += text
      }
    })
    return { said, terminal: Terminal.make({ out: output("out"), err: output("err"), noColor }) }
  }

  it("moves its line only when somebody watches", () => {
    const piped = make(false)
    Effect.runSync(piped.terminal.progress("1 of 2"))
    expect(piped.said.err).toBe("")
    const watched = make(true)
    Effect.runSync(Effect.zipRight(watched.terminal.progress("1 of 2"), watched.terminal.print("done")))
    expect(watched.said).toEqual({ out: "done\n", err: "1 of 2\r\u001b[2K" })
  })

  it("has colours on a terminal, and none with NO_COLOR or in a pipe", () => {
    expect(make(true).terminal.style.bold("x")).toBe("\u001b[1mx\u001b[22m")
    expect(make(true, true).terminal.style.bold("x")).toBe("x")
    expect(make(false).terminal.style.bold("x")).toBe("x")
  })
})

describe("an amount", () => {
  it("has its thousands set apart", () => {
    expect([0, 7, 999, 1_000, 24_000, 1_234_567, -100, -1_000].map(amount)).toEqual([
      "0",
      "7",
      "999",
      "1,000",
      "24,000",
      "1,234,567",
      "-100",
      "-1,000"
    ])
  })
})
