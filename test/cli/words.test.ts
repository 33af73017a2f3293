/** Reading the command line: strict, helpful, and silent about what may be a secret. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Arguments from "../../src/cli/Arguments.js"
import * as Completions from "../../src/cli/Completions.js"
import { commands, groups } from "../../src/cli/commands.js"
import * as Grammar from "../../src/cli/Grammar.js"
import * as Guard from "../../src/cli/Guard.js"
import { globals, kindOf, names } from "../../src/cli/Options.js"
import { concealed, nearest, shown } from "../../src/cli/words.js"

const command = (name: string) => {
  const found = commands.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no command ${name}`)
  return found
}

/** As the process reads them, from guard to decoder. */
const parsed = (name: string, ...line: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { given, words } = yield* Guard.read(line)
    const args = words.slice(name.split(" ").length)
    const problem = Arguments.problem(command(name), args)
    if (problem !== undefined) return yield* Effect.fail(problem)
    return { options: yield* Grammar.options(given), args }
  })

const problem = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(Guard.read(args))).message

describe("the command line", () => {
  it.effect("takes options anywhere, in either form", () =>
    Effect.gen(function* () {
      const up = yield* parsed("migrate up", "--json", "migrate", "--steps", "2", "up", "--url=sqlite:a=b.db")
      expect(up.options).toMatchObject({ steps: 2, json: true, yes: false, url: "sqlite:a=b.db", watch: false })
      const lint = yield* parsed("migrate lint", "migrate", "lint", "0001", "--format", "sarif", "0002")
      expect(lint).toMatchObject({ args: ["0001", "0002"], options: { format: "sarif" } })
      const several = yield* parsed("migrate status", "--migrations", "a", "migrate", "status", "--migrations=b")
      expect(several.options.migrations).toEqual(["a", "b"])
    })
  )

  it.effect("takes -1 for a place in the history and -y behind it for an option", () =>
    Effect.gen(function* () {
      expect(yield* parsed("migrate down", "migrate", "down", "-1", "--yes")).toMatchObject({
        args: ["-1"],
        options: { yes: true }
      })
      expect(yield* parsed("migrate down", "-y", "migrate", "down", "-12")).toMatchObject({ args: ["-12"] })
      // Behind two dashes everything is an argument, also what looks like an option.
      expect(yield* parsed("migrate show", "migrate", "show", "--", "--json")).toMatchObject({
        args: ["--json"],
        options: { json: false }
      })
    })
  )

  it.effect("reads every option of every command as the table has it", () =>
    Effect.forEach(commands, (one) =>
      Effect.gen(function* () {
        const [least] = Arguments.bounds(one.argument)
        const args = Array.from({ length: least }, (_, index) => `000${index}`)
        for (const name of [...(one.takes ?? []), ...globals]) {
          const { many, value } = kindOf(name)
          const written = value === undefined ? undefined : value === "N" ? "7" : (value.split("|")[0] ?? "")
          const option = written === undefined ? [`--${name}`] : [`--${name}`, written]
          const { options } = yield* parsed(one.name, ...one.name.split(" "), ...args, ...option)
          if (["help", "version", "completions"].includes(name)) continue
          const expected = written === undefined ? true : value === "N" ? 7 : many ? [written] : written
          expect({ [name]: options[name] }).toEqual({ [name]: expected })
        }
      })
    )
  )

  it.effect("says which value is none, and does not repeat it", () =>
    Effect.gen(function* () {
      const wrong = (name: string, ...args: ReadonlyArray<string>) =>
        Effect.map(Effect.flip(parsed(name, ...name.split(" "), ...args)), ({ message }) => message)
      expect(yield* wrong("migrate up", "--steps", "secret")).toBe(
        "--steps takes a whole number from 1. Write --steps N"
      )
      expect(yield* wrong("migrate up", "--steps", "0")).toMatch(/^--steps takes a whole number/)
      expect(yield* wrong("migrate up", "--steps", "1.5")).toMatch(/^--steps takes a whole number/)
      expect(yield* wrong("migrate lint", "--format", "secret")).toMatch(
        /^--format takes one of text, json, github, sarif/
      )
      expect(yield* wrong("migrate to")).toBe(
        "aquifer migrate to needs a revision. Write aquifer migrate to <revision>"
      )
      expect(yield* wrong("migrate to", "1", "s:ecret")).toMatch(
        /^aquifer migrate to takes one argument; .*\(not shown\)/
      )
      expect(yield* wrong("health", "x")).toMatch(/^aquifer health takes no argument "x"/)
    })
  )

  it("never takes an unknown option for an argument", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^-{1,2}[a-z][a-z-]{0,11}$/), (option) => {
        const read = Guard.read([option, "value"])
        return Either.isLeft(read) || !read.right.words.includes(option)
      })
    )
    expect(problem("--dryrun")).toMatch(/^unknown option "--dryrun"/)
    expect(problem("--dry-run")).toMatch(/aquifer migrate plan/)
    expect(problem("--wizard")).toMatch(/^unknown option/)
    expect(problem("-x")).toMatch(/^unknown option/)
    expect(problem("-yh")).toMatch(/^unknown option/)
    expect(problem("--no-json")).toMatch(/^unknown option/)
  })

  it("never repeats what may hold a secret", async () => {
    const secret = fc.stringMatching(/^[a-z]{2,8}:\/\/[a-z]+:[A-Za-z0-9]{6,12}@[a-z]+\/[a-z]+$/)
    await fc.assert(
      fc.asyncProperty(secret, async (url) => {
        expect(shown(url)).not.toContain(url)
        expect(problem(`--ulr=${url}`)).not.toContain(url)
        expect(problem(`--json=${url}`)).not.toContain(url)
        expect(problem("--url", url, "--url", url)).not.toContain(url)
        const { message } = await Effect.runPromise(Effect.flip(parsed("migrate up", "migrate", "up", "--steps", url)))
        expect(message).not.toContain(url)
      }),
      { numRuns: 25 }
    )
  })

  it.effect("takes a URL that nobody asked for for a mistake, and repeats it nowhere", () =>
    Effect.gen(function* () {
      for (const [name, ...args] of [["migrate up"], ["migrate show"], ["migrate new", "x"], ["health"]] as const) {
        const url = "postgres://u:canary@h/x"
        const { message } = yield* Effect.flip(parsed(name, ...name.split(" "), ...args, url))
        expect(message).toBe(`aquifer ${name} was given a URL (not shown) in no option. Write --url URL`)
      }
    })
  )

  it("conceals passwords in whatever is said", () => {
    const said = (text: string) => concealed(`there is no revision "${text}". See a@b`)
    for (const text of [
      "postgres://u:canary@h/x",
      "postgresql+asyncpg://u:can@canary@h/x",
      "postgres:/u:canary@h",
      "postgres://h/x?user=u&password=canary&sslmode=require",
      "pg://:canary@h",
      "host=h password=canary"
    ]) {
      expect(said(text)).not.toContain("canary")
      expect(said(text)).toMatch(/^there is no revision ".*"\. See a@b$/)
    }
    expect(said("sqlite:a:b@c.db")).toContain('"sqlite:a:b@c.db"')
  })

  it("suggests what was meant, and nothing where nothing is near", () => {
    const known = ["up", "down", "status", "--url", "--json", "--steps", "--migrations"]
    expect(nearest("stauts", known)).toBe("status")
    expect(nearest("dwon", known)).toBe("down")
    expect(nearest("--migr", known)).toBe("--migrations")
    expect(nearest("--stpes", known)).toBe("--steps")
    expect(nearest("STATUS", known)).toBe("status")
    expect(nearest("everything", known)).toBeUndefined()
    expect(nearest("--", known)).toBeUndefined()
  })
})

describe("the tables", () => {
  it("have no option that no command takes, and no short name twice", () => {
    const taken = new Set([...globals, ...commands.flatMap(({ takes }) => takes ?? [])])
    expect(names.filter((name) => !taken.has(name))).toEqual([])
    const shorts = names.flatMap((name) => kindOf(name).short ?? [])
    expect(new Set(shorts).size).toBe(shorts.length)
  })
})

describe("completions", () => {
  it.each(["bash", "zsh", "fish"] as const)("for %s know every command and every option, and no others", (shell) => {
    const script = Completions.script(commands, groups, shell)
    for (const { name } of commands) expect(script).toContain(name.split(" ").at(-1))
    for (const name of names) expect(script).toMatch(new RegExp(`(--|-l )${name}\\b`))
    expect(script).not.toContain("wizard")
  })
})
