/** How old a replica is, from its own word and from what its primary had come to: each cell of the table. */
import { describe, expect, it } from "vitest"
import { Positions } from "../../src/connection/Freshness.js"

describe("how old", () => {
  const positions = (...samples: ReadonlyArray<readonly [at: number, position: bigint]>) => {
    const positions = new Positions()
    for (const [at, position] of samples) positions.add({ at, position })
    return positions
  }
  const at = 10_000
  const cases = [
    ["nothing asked: its own word", [], { position: 5n, age: 300 }, 300],
    ["nothing asked, and it cannot say: without end", [], { position: 5n, age: undefined }, Number.POSITIVE_INFINITY],
    ["caught up: its own word", [[9_000, 5n]], { position: 5n, age: 0 }, 0],
    [
      "caught up a second ago, and its last commit long past: a second",
      [[9_000, 5n]],
      { position: 5n, age: 60_000 },
      1_000
    ],
    [
      "cut off in silence: it takes itself for fresh, and has missed what was there four seconds ago",
      [
        [4_000, 5n],
        [6_000, 6n],
        [9_000, 7n]
      ],
      { position: 5n, age: 0 },
      4_000
    ],
    [
      "behind: since it caught up",
      [
        [4_000, 5n],
        [6_000, 9n]
      ],
      { position: 5n, age: 60_000 },
      6_000
    ],
    [
      "behind all that was asked: its own word, but no less than what it has missed",
      [[2_000, 5n]],
      { position: 4n, age: 100 },
      8_000
    ],
    [
      "behind all that was asked, and it cannot say: without end",
      [[2_000, 5n]],
      { position: 4n, age: undefined },
      Number.POSITIVE_INFINITY
    ],
    ["no replica of anything: not at all", [[2_000, 5n]], { position: undefined, age: 0 }, 0],
    [
      "the primary is another one: what the first had come to counts no more",
      [
        [2_000, 50n],
        [9_500, 5n]
      ],
      { position: 5n, age: 0 },
      0
    ]
  ] as const
  for (const [title, samples, standing, staleness] of cases) {
    it(title, () => expect(positions(...samples).staleness(standing, at)).toBe(staleness))
  }

  it("remembers as much as it needs, and no more", () => {
    const many = new Positions()
    for (let second = 0; second < 10_000; second++) many.add({ at: second * 1_000, position: BigInt(second) })
    expect(many.staleness({ position: 9_998n, age: 5_000 }, 9_999_500)).toBe(1_500)
    expect(many.size).toBeLessThanOrEqual(256)
  })
})
