import { describe, expect, it } from "vitest"
import { parse, plain, render } from "../../src/dialect/sqlite/tableSource.js"

const difficult = `CREATE TABLE [odd; "name"] (
  "id" INTEGER CONSTRAINT pk PRIMARY KEY ASC ON CONFLICT ABORT AUTOINCREMENT, -- the key, no )
  "check" VARCHAR ( 10 ) NOT NULL ON CONFLICT FAIL DEFAULT 'a, (b' COLLATE NOCASE,
  price DECIMAL(10, 2) DEFAULT -1.5 CONSTRAINT positive CHECK (price > 0 AND "check" <> ')') UNIQUE ON CONFLICT IGNORE,
  data BLOB DEFAULT X'00ff' NULL,
  parent INT REFERENCES [odd; "name"] (id) ON DELETE SET NULL ON UPDATE NO ACTION MATCH FULL NOT DEFERRABLE INITIALLY IMMEDIATE,
  late INT CONSTRAINT fk REFERENCES other DEFERRABLE INITIALLY DEFERRED DEFAULT (1 + (2)),
  twice INT GENERATED ALWAYS AS (price * 2) STORED,
  thrice AS (price * 3),
  untyped,
  /* a, b ( */ CONSTRAINT u UNIQUE (price, "check" COLLATE BINARY DESC) ON CONFLICT REPLACE,
  FOREIGN KEY (parent, late) REFERENCES other (a, b) ON UPDATE CASCADE ON DELETE SET DEFAULT DEFERRABLE,
  CHECK (price IN (1, 2)), CHECK (late > 0)
) STRICT, WITHOUT ROWID`

describe("the text of a CREATE TABLE", () => {
  const source = parse(difficult)

  it("comes apart into columns with types and clauses", () => {
    expect(source.columns.map((c) => [c.name, c.type, ...c.clauses.map((clause) => clause.kind)])).toEqual([
      ["id", "INTEGER", "primary key"],
      ["check", "VARCHAR ( 10 )", "not null", "default", "collate"],
      ["price", "DECIMAL(10, 2)", "default", "check", "unique"],
      ["data", "BLOB", "default", "null"],
      ["parent", "INT", "references"],
      ["late", "INT", "references", "default"],
      ["twice", "INT", "generated"],
      ["thrice", "", "generated"],
      ["untyped", ""]
    ])
    const clauses = source.columns.flatMap((c) => c.clauses)
    expect(clauses.filter((c) => c.name !== undefined).map((c) => c.name)).toEqual(["pk", "positive", "fk"])
    expect(clauses.find((c) => c.kind === "check")?.inner).toBe(`price > 0 AND "check" <> ')'`)
    expect(clauses.filter((c) => c.kind === "default").map((c) => c.text)).toEqual([
      "DEFAULT 'a, (b'",
      "DEFAULT -1.5",
      "DEFAULT X'00ff'",
      "DEFAULT (1 + (2))"
    ])
  })

  it("and into constraints and options", () => {
    expect(source.constraints.map((c) => [c.kind, c.name, ...c.columns])).toEqual([
      ["unique", "u", "price", "check"],
      ["foreign key", undefined, "parent", "late"],
      ["check", undefined],
      ["check", undefined]
    ])
    expect(source.options).toBe("STRICT, WITHOUT ROWID")
  })

  it("comes together again as the same table", () => {
    const again = parse(render("x", source))
    expect(again).toEqual(source)
  })

  it("is compared without regard to quotes that change nothing", () => {
    expect(plain(`CHECK  ("age" > 0\n AND [b] <> "two words" AND c = 'x  "y"')`)).toBe(
      `CHECK (age > 0 AND b <> "two words" AND c = 'x  "y"')`
    )
  })
})
