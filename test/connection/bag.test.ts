import { describe, expect, it } from "vitest"
import { Bag, type Member } from "../../src/connection/Bag.js"
import { Held } from "../../src/connection/Held.js"
import { Claim } from "../../src/connection/Lease.js"

class Thing implements Member {
  place = -1
  constructor(readonly name: string) {}
}

const names = (bag: Bag<Thing>) => [...bag].map(({ name }) => name).sort()

describe("a bag", () => {
  it("holds what came and has not gone, whoever goes first", () => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => new Thing(name)) as [Thing, Thing, Thing, Thing]
    const bag = new Bag<Thing>()
    for (const one of [a, b, c]) bag.add(one)
    bag.delete(a)
    expect(names(bag)).toEqual(["b", "c"])
    bag.add(d)
    bag.delete(c)
    bag.delete(b)
    expect(names(bag)).toEqual(["d"])
    bag.add(a)
    bag.delete(d)
    bag.delete(a)
    expect([bag.size, a.place, d.place]).toEqual([0, -1, -1])
  })

  it("takes no harm from what is not there", () => {
    const [a, b] = [new Thing("a"), new Thing("b")]
    const bag = new Bag<Thing>()
    bag.add(a)
    bag.delete(b)
    bag.delete(a)
    bag.delete(a)
    bag.add(b)
    expect(names(bag)).toEqual(["b"])
  })

  it("may be changed while somebody goes through it", () => {
    const bag = new Bag<Thing>()
    for (const name of ["a", "b", "c"]) bag.add(new Thing(name))
    const met: Array<string> = []
    for (const one of bag) {
      met.push(one.name)
      bag.delete(one)
    }
    expect([met, bag.size]).toEqual([["a", "b", "c"], 0])
  })
})

describe("holders", () => {
  it("stand in the order in which they came, although their places change", () => {
    const desk = { acquire: () => expect.unreachable(), giveBack: () => {} }
    const [a, b, c, d] = Array.from({ length: 4 }, () => new Claim<string>(desk))
    const held = new Held<string>()
    for (const one of [a, b, c, d]) if (one !== undefined) held.add(one)
    if (a !== undefined) held.delete(a)
    expect(held.byAge).toEqual([b, c, d])
    if (a !== undefined) held.add(a)
    expect(held.byAge).toEqual([b, c, d, a])
  })
})
