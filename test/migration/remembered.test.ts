/** A file nobody has touched is read once; one that was touched, however cleverly, is read again. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { Migrator } from "effect-aquifer"
import * as Graph from "../../src/migration/Graph.js"
import * as Remembered from "../../src/migration/Remembered.js"
import { folder, table } from "./support.js"

/** As if the files had been written long before. */
const later = TestClock.setTime(Date.now() + 60_000)
const read = (directory: string) => Effect.map(Migrator.fromDirectory(directory), (all) => all)

describe("a folder that is read again", () => {
  it.scoped("gives the very revisions it gave before, a new one among them", () =>
    Effect.gen(function* () {
      yield* later
      const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
      const before = yield* read(directory)
      fs.writeFileSync(path.join(directory, "3_c.sql"), table("c"))
      const after = yield* read(directory)
      expect(after.map((one) => one.id)).toEqual(["1", "2", "3"])
      expect(after[0]).toBe(before[0])
      expect(after[1]).toBe(before[1])
      fs.rmSync(path.join(directory, "1_a.sql"))
      expect((yield* read(directory)).map((one) => one.id)).toEqual(["2", "3"])
    })
  )

  it.scoped("is the very history it was, and another one as soon as anything in it is", () =>
    Effect.gen(function* () {
      yield* later
      const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
      const before = yield* read(directory)
      const graph = Graph.make(before)
      expect(yield* read(directory)).toBe(before)
      expect(Graph.make(yield* read(directory))).toBe(graph)
      fs.writeFileSync(path.join(directory, "2_b.sql"), table("bb"))
      const after = yield* read(directory)
      expect(after[1]?.checksum).not.toBe(before[1]?.checksum)
      expect(Either.getOrThrow(Graph.make(after)).byId.get("2")?.checksum).toBe(after[1]?.checksum)
      // A program's own array may be another one the next time.
      const own = [...after]
      expect(Either.getOrThrow(Graph.make(own)).nodes).toHaveLength(2)
      own.pop()
      expect(Either.getOrThrow(Graph.make(own)).nodes).toHaveLength(1)
    })
  )

  it.scoped("notices a change of the same length that hides behind the old time", () =>
    Effect.gen(function* () {
      yield* later
      const directory = yield* folder({ "1_a.sql": table("a") })
      const file = path.join(directory, "1_a.sql")
      const [before] = yield* read(directory)
      const { atime, mtime } = fs.statSync(file)
      fs.writeFileSync(file, table("b"))
      fs.utimesSync(file, atime, mtime)
      const [after] = yield* read(directory)
      expect(after?.checksum).not.toBe(before?.checksum)
    })
  )

  it.scoped("notices another file in its place", () =>
    Effect.gen(function* () {
      yield* later
      const directory = yield* folder({ "1_a.sql": table("a"), _b: table("b") })
      const [before] = yield* read(directory)
      fs.renameSync(path.join(directory, "_b"), path.join(directory, "1_a.sql"))
      const [after] = yield* read(directory)
      expect(after?.checksum).not.toBe(before?.checksum)
    })
  )

  it.scoped("reads what was written a moment ago again, because the next change may leave the same time", () =>
    Effect.gen(function* () {
      const directory = yield* folder({ "1_a.sql": table("a") })
      yield* TestClock.setTime(Date.now())
      const [before] = yield* read(directory)
      const [after] = yield* read(directory)
      expect(after).not.toBe(before)
      expect(after).toMatchObject({ checksum: before?.checksum })
    })
  )
})

describe("what is remembered", () => {
  const stats = (fields: Partial<fs.Stats> = {}) =>
    // Nothing else of them is looked at.
    ({ dev: 1, ino: 2, size: 3, mtimeMs: 1_000, ctimeMs: 1_000, ...fields }) as fs.Stats

  it("is a file with the same device, inode, size and times, and no other", () => {
    const memory = Remembered.make<string>()
    memory.folder("f", 10_000).set("a", stats(), "read")
    const changes: ReadonlyArray<Partial<fs.Stats>> = [
      { dev: 9 },
      { ino: 9 },
      { size: 9 },
      { mtimeMs: 1_000.001 },
      { ctimeMs: 1_000.001 }
    ]
    for (const change of changes) {
      const again = Remembered.make<string>()
      again.folder("f", 10_000).set("a", stats(), "read")
      expect(again.folder("f", 10_000).get("a", stats(change))).toBeUndefined()
    }
    expect(memory.folder("f", 10_000).get("a", stats())).toBe("read")
  })

  it("is nothing that had been changed less than three seconds before it was read, by either time", () => {
    for (const [now, kept] of [
      [4_001, "read"],
      [4_000, undefined],
      [0, undefined]
    ] as const) {
      const memory = Remembered.make<string>()
      memory.folder("f", now).set("a", stats(), "read")
      expect(memory.folder("f", now).get("a", stats())).toBe(kept)
    }
    const memory = Remembered.make<string>()
    memory.folder("f", 4_001).set("a", stats({ ctimeMs: 2_000 }), "read")
    expect(memory.folder("f", 9_000).get("a", stats({ ctimeMs: 2_000 }))).toBeUndefined()
  })

  it("is no more than sixteen folders, the last used ones, and of each what it holds now", () => {
    const memory = Remembered.make<string>()
    memory.folder("first", 10_000).set("a", stats(), "read")
    for (let i = 0; i < 15; i++) memory.folder(`f${i}`, 10_000).set("a", stats(), "read")
    expect(memory.folder("first", 10_000).get("a", stats())).toBe("read")
    memory.folder("one more", 10_000)
    expect(memory.folder("f0", 10_000).get("a", stats())).toBeUndefined()
    expect(memory.folder("first", 10_000).get("b", stats())).toBeUndefined()
    // Not asked for the last time, so it was not there.
    expect(memory.folder("first", 10_000).get("a", stats())).toBeUndefined()
  })
})
