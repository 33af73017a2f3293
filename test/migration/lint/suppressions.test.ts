/** A finding is silenced for one statement or one file, with a reason, and by nothing else. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Input, lint, lintFile } from "../../../src/migration/Lint.js"

const found = (text: string, facts: Partial<Input> = {}) =>
  Effect.map(lint({ text, file: "m/0001_x.sql", product: "postgres", ...facts }), (findings) =>
    findings.map((one) => `${one.line}:${one.column} ${one.rule}`)
  )

describe("a suppression", () => {
  it.effect("holds for the statement it stands in front of, and no other", () =>
    Effect.gen(function* () {
      const allow = "-- aquifer:allow dropping-table: nobody reads it"
      expect(yield* found(`${allow}\nDROP TABLE a;\nDROP TABLE b;`)).toEqual(["3:1 dropping-table"])
      expect(yield* found(`DROP TABLE a;\n${allow}\nDROP TABLE b;`)).toEqual(["1:1 dropping-table"])
      expect(yield* found(`DROP TABLE a; ${allow}\n`)).toEqual(["1:1 dropping-table", "1:18 suppression-unused"])
    })
  )

  it.effect("may stand within the statement, name several rules, and be a block comment", () =>
    Effect.gen(function* () {
      const both = "dropping-column, renaming-column"
      expect(
        yield* found("ALTER TABLE t\n  -- aquifer:allow dropping-column: unused since 4\n  DROP COLUMN a;")
      ).toEqual([])
      expect(yield* found(`/* aquifer:allow ${both}: unused */ ALTER TABLE t DROP COLUMN a;`)).toEqual([
        "1:4 suppression-unused"
      ])
      expect(
        yield* found(
          "/* aquifer:allow dropping-column: é\n   aquifer:allow dropping-not-null: ü */\nALTER TABLE t DROP a, ALTER b DROP NOT NULL;"
        )
      ).toEqual([])
    })
  )

  it.effect("silences that rule alone", () =>
    Effect.gen(function* () {
      const sql = "ALTER TABLE t DROP COLUMN a, ALTER COLUMN b DROP NOT NULL;"
      expect(yield* found(`-- aquifer:allow dropping-column: é\n${sql}`)).toEqual(["2:1 dropping-not-null"])
    })
  )

  it.effect("without a reason is a finding, and so is one of blanks and dots", () =>
    Effect.gen(function* () {
      for (const reason of ["", ":", ":   ", ": ..."]) {
        expect(yield* found(`/* aquifer:allow dropping-table${reason} */\nDROP TABLE a;`)).toEqual([
          "1:4 suppression-without-reason"
        ])
      }
    })
  )

  it.effect("of a rule that does not exist, or of none, is a finding and silences nothing", () =>
    Effect.gen(function* () {
      expect(yield* found("-- aquifer:allow drop-table: unused\nDROP TABLE a;")).toEqual([
        "1:4 suppression-unknown",
        "2:1 dropping-table"
      ])
      expect(yield* found("-- aquifer:allow : unused\nDROP TABLE a;")).toEqual([
        "1:4 suppression-unknown",
        "2:1 dropping-table"
      ])
      // What is wrong with suppressions cannot be suppressed.
      expect(yield* found("-- aquifer:allow suppression-unused: why not\nSELECT 1;")).toEqual([
        "1:4 suppression-unknown"
      ])
    })
  )

  it.effect("in a string or a name is none", () =>
    Effect.gen(function* () {
      expect(yield* found("SELECT '-- aquifer:allow dropping-table: x'; DROP TABLE a;")).toEqual([
        "1:46 dropping-table"
      ])
      expect(yield* found('SELECT 1 AS "-- aquifer:allow a: x"; SELECT $$\n-- aquifer:allow b: x\n$$;')).toEqual([])
    })
  )

  it.effect("in the header holds for the file, both directions", () =>
    Effect.gen(function* () {
      const file = (header: string, up: string, down: string) =>
        Effect.map(
          lintFile({
            text: `${header}\n-- migrate:up\n${up}\n-- migrate:down\n${down}\n`,
            file: "m/0001_x.sql",
            product: "postgres"
          }),
          (findings) => findings.map((one) => `${one.line}:${one.column} ${one.rule}`)
        )
      const allow = "-- revises: 0001\n-- aquifer:allow require-concurrent-index-deletion: two rows"
      expect(yield* file(allow, "DROP INDEX a;\nDROP INDEX b;", "SELECT 1;")).toEqual([])
      expect(yield* file(allow, "SELECT 1;", "DROP INDEX a;")).toEqual([])
      expect(yield* file(allow, "SELECT 1;", "SELECT 1;")).toEqual(["2:4 suppression-unused"])
      expect(yield* file("-- aquifer:allow prefer-text", "CREATE TABLE t (a varchar(3));", "DROP TABLE t;")).toEqual([
        "1:4 suppression-without-reason"
      ])
    })
  )

  it.effect("in the header serves one direction alone, where only that is looked at", () =>
    Effect.gen(function* () {
      const header = "-- aquifer:allow dropping-table: unused"
      expect(yield* found("\nDROP TABLE a;", { header, line: 2 })).toEqual([])
      expect(yield* found("\nSELECT 1;", { header, line: 2 })).toEqual(["1:4 suppression-unused"])
    })
  )

  it.effect("works alike on SQLite, where rules about PostgreSQL are not judged", () =>
    Effect.gen(function* () {
      const on = (text: string) => found(text, { product: "sqlite" })
      const rule = "sqlite-add-not-null-without-default"
      const sql = "ALTER TABLE t ADD a NOT NULL;"
      expect(yield* on(`-- aquifer:allow ${rule}: it is empty\n${sql}`)).toEqual([])
      expect(yield* on(`-- aquifer:allow ${rule}\n${sql}`)).toEqual(["1:4 suppression-without-reason"])
      expect(yield* on(`-- aquifer:allow ${rule}: it is empty\nSELECT 1;`)).toEqual(["1:4 suppression-unused"])
      expect(yield* on("-- aquifer:allow dropping-table: it is empty\nDROP TABLE t;")).toEqual([])
    })
  )
})
