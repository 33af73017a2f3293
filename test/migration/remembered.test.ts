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

  it.scoped("says which file can no longer be read, and goes on when it can", () =>
    Effect.gen(function* () {
      yield* later
      const directory = yield* folder({ "1_a.sql": table("a"), "2_b.sql": table("b") })
      const before = yield* read(directory)
      const file = path.join(directory, "2_b.sql")
      fs.renameSync(file, path.join(directory, "_b"))
      fs.symlinkSync("2_b.sql", file)
      expect(yield* Effect.flip(read(directory))).toMatchObject({
        reason: "unreadable",
        file: expect.stringMatching(/2_b.sql$/)
      })
      fs.renameSync(path.join(directory, "_b"), file)
      const after = yield* read(directory)
      expect(after.map((one) => one.checksum)).toEqual(before.map((one) => one.checksum))
      expect(yield* read(directory)).toBe(after)
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
  const changes: ReadonlyArray<Partial<fs.Stats>> = [
    { dev: 9 },
    { ino: 9 },
    { size: 9 },
    { mtimeMs: 1_000.001 },
    { ctimeMs: 1_000.001 }
  ]
  const read = (memory: Remembered.Memory<string>, name: string, now = 10_000) => {
    const folder = memory.folder(name, ["a"], now)
    folder.set("a", stats(), "read")
    return folder
  }

  it("is a file with the same device, inode, size and times, and no other", () => {
    for (const change of changes) {
      const memory = Remembered.make<string>()
      read(memory, "f")
      expect(memory.folder("f", ["a"], 10_000).get("a", stats(change))).toBeUndefined()
    }
    const memory = Remembered.make<string>()
    read(memory, "f")
    expect(memory.folder("f", ["a"], 10_000).get("a", stats())).toBe("read")
  })

  it("is nothing that had been changed less than three seconds before it was read, by either time", () => {
    for (const [now, kept] of [
      [4_001, "read"],
      [4_000, undefined],
      [0, undefined]
    ] as const) {
      const memory = Remembered.make<string>()
      read(memory, "f", now)
      expect(memory.folder("f", ["a"], now).get("a", stats())).toBe(kept)
    }
    const memory = Remembered.make<string>()
    memory.folder("f", ["a"], 4_001).set("a", stats({ ctimeMs: 2_000 }), "read")
    expect(memory.folder("f", ["a"], 9_000).get("a", stats({ ctimeMs: 2_000 }))).toBeUndefined()
  })

  it("is no more than sixteen folders, the last used ones, and of each what it holds now", () => {
    const memory = Remembered.make<string>()
    read(memory, "first")
    for (let i = 0; i < 15; i++) read(memory, `f${i}`)
    expect(memory.folder("first", ["a"], 10_000).get("a", stats())).toBe("read")
    memory.folder("one more", [], 10_000)
    expect(memory.folder("f0", ["a"], 10_000).get("a", stats())).toBeUndefined()
    expect(memory.folder("first", ["a"], 10_000).get("b", stats())).toBeUndefined()
    // Not asked for the last time, so it was not there.
    expect(memory.folder("first", ["a"], 10_000).get("a", stats())).toBeUndefined()
  })

  it("is the whole folder while it holds the same entries and no file was touched", () => {
    const memory = Remembered.make<string>()
    const same = () => stats()
    expect(memory.untouched("f", ["a"], same)).toBeUndefined()
    const whole = read(memory, "f").whole(["read"])
    expect(memory.untouched("f", ["a"], same)).toBe(whole)
    expect(memory.untouched("f", ["a"], same)).toBe(whole)
    for (const entries of [[], ["b"], ["a", "b"]]) expect(memory.untouched("f", entries, same)).toBeUndefined()
    for (const change of changes) expect(memory.untouched("f", ["a"], () => stats(change))).toBeUndefined()
    expect(memory.untouched("f", ["a"], () => undefined)).toBeUndefined()
    expect(memory.untouched("g", ["a"], same)).toBeUndefined()
    expect(memory.untouched("f", ["a"], same)).toBe(whole)
  })

  it("is no folder with a file that was too young to be known, or that was not read to its end", () => {
    const memory = Remembered.make<string>()
    read(memory, "young", 4_000).whole(["read"])
    expect(memory.untouched("young", ["a"], () => stats())).toBeUndefined()
    read(memory, "half")
    expect(memory.untouched("half", ["a"], () => stats())).toBeUndefined()
  })

  it("is used where it was looked through, too", () => {
    const memory = Remembered.make<string>()
    const whole = read(memory, "first").whole(["read"])
    for (let i = 0; i < 15; i++) read(memory, `f${i}`)
    expect(memory.untouched("first", ["a"], () => stats())).toBe(whole)
    memory.folder("one more", [], 10_000)
    expect(memory.untouched("first", ["a"], () => stats())).toBe(whole)
  })
})
