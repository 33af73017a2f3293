/** Reading the command line: strict, helpful, and silent about what may be a secret. */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { parse } from "../../src/cli/Options.js"
import { nearest, shown } from "../../src/cli/words.js"

const options = (...args: ReadonlyArray<string>) => Either.getOrThrow(parse(args)).options
const problem = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(parse(args))).message

describe("the command line", () => {
  it("takes options anywhere, in either form", () => {
    expect(options("migrate", "--steps", "2", "up", "--json")).toMatchObject({ steps: 2, json: true, yes: false })
    expect(options("--steps=2", "-y")).toMatchObject({ steps: 2, yes: true })
    expect(options("--url=sqlite:a=b.db").url).toBe("sqlite:a=b.db")
    expect(Either.getOrThrow(parse(["demo", "--", "--json"])).words).toEqual(["demo", "--json"])
  })

  it("never takes an unknown option for an argument", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^-{1,2}[a-z][a-z-]{0,11}$/), (option) => {
        const parsed = parse([option, "value"])
        return Either.isLeft(parsed) || !parsed.right.words.includes(option)
      })
    )
    expect(problem("--dryrun")).toMatch(/^unknown option "--dryrun"/)
    expect(problem("-x")).toMatch(/^unknown option/)
  })

  it("never repeats what may hold a secret", () => {
    const secret = fc.stringMatching(/^[a-z]{2,8}:\/\/[a-z]+:[A-Za-z0-9]{6,12}@[a-z]+\/[a-z]+$/)
    fc.assert(
      fc.property(secret, (url) => {
        expect(shown(url)).not.toContain(url)
        expect(problem(`--ulr=${url}`)).not.toContain(url)
        expect(problem(`--json=${url}`)).not.toContain(url)
        expect(problem("--steps", url)).not.toContain(url)
      })
    )
  })

  it("suggests what was meant, and nothing where nothing is near", () => {
    const known = ["up", "down", "status", "--url", "--json", "--steps", "--directory"]
    expect(nearest("stauts", known)).toBe("status")
    expect(nearest("dwon", known)).toBe("down")
    expect(nearest("--dir", known)).toBe("--directory")
    expect(nearest("--stpes", known)).toBe("--steps")
    expect(nearest("STATUS", known)).toBe("status")
    expect(nearest("everything", known)).toBeUndefined()
    expect(nearest("--", known)).toBeUndefined()
  })
})
