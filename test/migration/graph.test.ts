import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Graph from "../../src/migration/Graph.js"
import type { Revision } from "../../src/migration/Revision.js"

const revision = (id: string, fields: Partial<Revision> = {}): Revision => ({
  id,
  name: "x",
  kind: "sql",
  file: `${id}_x.sql`,
  dependsOn: [],
  load: Effect.die("not to be loaded"),
  ...fields
})

const graph = (...revisions: ReadonlyArray<Revision>) => Either.getOrThrow(Graph.make(revisions))
const refusal = (...revisions: ReadonlyArray<Revision>) => Either.getOrThrow(Either.flip(Graph.make(revisions)))
const ids = (all: ReadonlyArray<{ readonly id: string }>) => all.map((one) => one.id)

describe("Graph", () => {
  it("orders by number, not by letters", () => {
    expect(ids(graph(revision("10"), revision("9"), revision("2")).nodes)).toEqual(["2", "9", "10"])
  })

  it("lets a file follow the one before it, unless its header says otherwise", () => {
    const found = graph(revision("1"), revision("2"), revision("3", { revises: ["1"] }))
    expect(found.nodes.map((node) => [node.id, ...node.parents])).toEqual([["1"], ["2", "1"], ["3", "1"]])
    expect(found.heads).toEqual(["2", "3"])
  })

  it("a file that says nothing behind several ends is refused: nobody knows which one it follows", () => {
    const error = refusal(revision("1"), revision("2"), revision("3", { revises: ["1"] }), revision("4"))
    expect(error).toMatchObject({ reason: "several-heads", revision: "4_x" })
    expect(error.message).toContain("2_x, 3_x")
    expect(error.message).toContain("revises: 3_x")
    const merged = [
      revision("1"),
      revision("2"),
      revision("3", { revises: ["1"] }),
      revision("4", { revises: ["2", "3"] })
    ]
    expect(graph(...merged, revision("5")).nodes.at(-1)?.parents).toEqual(["4"])
  })

  it("joins branches in a revision of several parents", () => {
    const found = graph(
      revision("1"),
      revision("2"),
      revision("3", { revises: ["1"] }),
      revision("4", { revises: ["2", "3"] })
    )
    expect(found.heads).toEqual(["4"])
    expect([...Graph.ancestors(found, ["4"])].sort()).toEqual(["1", "2", "3", "4"])
    expect(Graph.head(found)).toEqual(Either.right("4"))
  })

  it("puts what is depended on first, although it is no parent", () => {
    const found = graph(revision("1", { revises: [], dependsOn: ["2"] }), revision("2", { revises: [] }))
    expect(ids(found.nodes)).toEqual(["2", "1"])
    expect(found.heads).toEqual(["2", "1"])
  })

  it("several heads are refused by name when one is asked for", () => {
    const error = Either.getOrThrow(Either.flip(Graph.head(graph(revision("1"), revision("2", { revises: [] })))))
    expect(error.reason).toBe("several-heads")
    expect(error.message).toContain("1_x, 2_x")
  })

  it("two files of one id are refused, by both names, also when written differently", () => {
    const error = refusal(revision("0001"), revision("1", { name: "y", file: "1_y.sql" }))
    expect(error.reason).toBe("duplicate-id")
    expect(error.message).toContain("0001_x.sql")
    expect(error.message).toContain("1_y.sql")
  })

  it("a parent that is not there is refused", () => {
    expect(refusal(revision("1", { revises: ["0"] })).reason).toBe("missing-parent")
    expect(refusal(revision("1", { dependsOn: ["7"] })).message).toContain("it follows 7")
  })

  it("a circle is refused", () => {
    expect(refusal(revision("1", { revises: ["2"] }), revision("2", { revises: ["1"] })).reason).toBe("cycle")
  })

  it("finds a revision by id, by name, or by the beginning only one has", () => {
    const found = graph(revision("20260101", { name: "users" }), revision("20260102", { name: "logs" }))
    const find = (name: string) =>
      Either.mapBoth(Graph.find(found, name), { onLeft: (e) => e.reason, onRight: (n) => n.name })
    expect(find("20260101")).toEqual(Either.right("users"))
    expect(find("20260102_logs")).toEqual(Either.right("logs"))
    expect(find("202601")).toEqual(Either.left("ambiguous-revision"))
    expect(find("20260102_l")).toEqual(Either.right("logs"))
    expect(find("99")).toEqual(Either.left("unknown-revision"))
  })

  it("any order of files gives the same history, every parent before its child", () => {
    const arbitrary = fc.integer({ min: 1, max: 12 }).chain((n) =>
      fc.tuple(
        fc.shuffledSubarray(
          Array.from({ length: n }, (_, i) => i),
          { minLength: n, maxLength: n }
        ),
        fc.array(fc.nat(), { minLength: n, maxLength: n })
      )
    )
    fc.assert(
      fc.property(arbitrary, ([order, choices]) => {
        const all = choices.map((choice, i) =>
          revision(String(i + 1), { revises: i === 0 ? [] : [String((choice % i) + 1)] })
        )
        const found = graph(...order.map((i) => all[i] as Revision))
        expect(ids(found.nodes)).toEqual(ids(all))
        const seen = new Set<string>()
        for (const node of found.nodes) {
          expect(node.parents.every((id) => seen.has(id))).toBe(true)
          seen.add(node.id)
        }
      })
    )
  })
})
