/** Migrations that are programs: what they send is judged as if it stood in a file, and what cannot be seen is said. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ProgramInput } from "../../../src/migration/Lint.js"
import { lintProgram, renderGithub, renderSarif, renderText } from "../../../src/migration/Lint.js"

const source = `// é
export default Migration.make({
  up: Effect.gen(function* () {
    const ä = "日本語 😀"; yield* sql\`ALTER TABLE t DROP COLUMN n\`
    yield* Operations.dropTable("u")
  }),
  down: Effect.void
})
`

const found = (recordings: ProgramInput["recordings"], facts: Partial<ProgramInput> = {}) =>
  Effect.map(lintProgram({ file: "m/0001_x.ts", source, product: "postgres", recordings, ...facts }), (findings) =>
    findings.map((one) => `${one.line}:${one.column} ${one.rule} ${one.recorded?.direction} ${one.recorded?.statement}`)
  )

describe("a program", () => {
  it.effect("is found wrong at its statement, or where its direction begins", () =>
    Effect.gen(function* () {
      const statements = ["CREATE TABLE v (id bigint)", "ALTER TABLE t DROP COLUMN n", 'DROP TABLE\n"u"']
      expect(yield* found([{ direction: "up", statements }])).toEqual([
        "3:3 dropping-table up 3",
        "4:35 dropping-column up 2"
      ])
      const down = ["CREATE INDEX i ON t (n)"]
      expect(yield* found([{ direction: "down", statements: down }])).toEqual([
        "7:3 require-concurrent-index-creation down 1"
      ])
    })
  )

  it.effect("knows what it has made itself, in the same direction and in the other", () =>
    Effect.gen(function* () {
      const up = ["CREATE TABLE v (id bigint)", "CREATE INDEX i ON v (id)"]
      expect(
        yield* found([
          { direction: "up", statements: up },
          { direction: "down", statements: ["CREATE INDEX j ON v (id)"] }
        ])
      ).toEqual([])
    })
  )

  it.effect("without a transaction may do what needs none", () =>
    Effect.gen(function* () {
      const recordings = [{ direction: "up" as const, statements: ["CREATE INDEX CONCURRENTLY i ON t (n)"] }]
      expect(yield* found(recordings)).toEqual(["3:3 concurrent-in-transaction up 1"])
      expect(yield* found(recordings, { transaction: false })).toEqual([])
    })
  )

  it.effect("is allowed things by comments: above its code, or in a statement it sends", () =>
    Effect.gen(function* () {
      const allow = "aquifer:allow dropping-table: nobody reads it"
      const statements = ["DROP TABLE a"]
      expect(yield* found([{ direction: "up", statements }], { source: `// ${allow}\n${source}` })).toEqual([])
      expect(yield* found([{ direction: "up", statements: [`-- ${allow}\nDROP TABLE a`, "DROP TABLE b"] }])).toEqual([
        "3:3 dropping-table up 2"
      ])
      expect(yield* found([], { source: `import "x"\n\n// ${allow}\n` })).toEqual([])
      expect(yield* found([], { source: `\n  // ${allow}\n${source}` })).toEqual([
        "2:6 suppression-unused undefined undefined"
      ])
    })
  )

  it.effect("that could not be recorded is a finding, and so is one that broke off", () =>
    Effect.gen(function* () {
      const input = { file: "m/0001_x.ts", source, product: "postgres" as const }
      const why = { problem: "it cannot be imported", remedy: "Correct the file" }
      const unseen = yield* lintProgram({ ...input, recordings: [], unseen: why })
      expect(renderText(unseen)).toBe(
        "m/0001_x.ts:1:1: error not-recorded: Nothing of it could be recorded: it cannot be imported\n    Correct the file\n1 error"
      )
      const broke = yield* lintProgram({
        ...input,
        recordings: [{ direction: "up", statements: ["SELECT 1"], broke: why }]
      })
      expect(broke).toMatchObject([{ rule: "not-recorded", level: "warning" }])
      expect(renderGithub(broke)).toMatch(/^::warning file=m\/0001_x\.ts,line=1,.*only 1 statements? w/)
      expect(JSON.parse(renderSarif(broke)).runs[0].results).toEqual([
        expect.not.objectContaining({ ruleIndex: expect.anything() })
      ])
    })
  )
})
