import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { type Node, order } from "../../src/seed/order.js"

const node = (name: string, ...dependsOn: ReadonlyArray<string>): Node => ({ name, dependsOn })
const names = (...nodes: ReadonlyArray<Node>) =>
  Either.map(order(nodes), (ordered) => ordered.map(({ name }) => name).join(" "))
const problem = (...nodes: ReadonlyArray<Node>) => Either.getOrThrow(Either.flip(order(nodes)))

describe("the order of seeds", () => {
  it("each comes after what it depends on, and otherwise as given", () => {
    expect(names(node("c", "b"), node("a"), node("b", "a"), node("d"))).toEqual(Either.right("a b c d"))
    expect(names(node("z"), node("y"), node("x"))).toEqual(Either.right("z y x"))
    expect(names(node("top", "left", "right"), node("left", "base"), node("right", "base"), node("base"))).toEqual(
      Either.right("base left right top")
    )
    expect(names()).toEqual(Either.right(""))
  })

  it("a cycle is told with its path, whoever leads into it", () => {
    const error = problem(node("in", "a"), node("a", "b"), node("b", "c"), node("c", "a"))
    expect(error).toMatchObject({ _tag: "SeedError", reason: "cycle", seed: "a" })
    expect(error.message).toContain("a -> b -> c -> a")
    expect(problem(node("me", "me")).message).toContain("me -> me")
  })

  it("an unknown dependency is told with the names there are", () => {
    const error = problem(node("users"), node("keys", "user"))
    expect(error).toMatchObject({ reason: "unknown-dependency", seed: "keys" })
    expect(error.message).toContain('depends on "user"')
    expect(error.message).toContain("users, keys")
  })

  it("a name given twice is told", () => {
    expect(problem(node("a"), node("b"), node("a"))).toMatchObject({ reason: "duplicate-name", seed: "a" })
  })
})
