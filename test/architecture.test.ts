/** Holds the source to the rules of the house, and shows on small bad files that each rule bites. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { rules } from "./support/architecture/rules.js"
import { parse, type Source } from "./support/architecture/source.js"

const project = path.resolve(import.meta.dirname, "..")

const sources = (folder: string): ReadonlyArray<Source> =>
  fs.existsSync(path.join(project, folder))
    ? fs
        .readdirSync(path.join(project, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => /\.(?:ts|mjs|js)$/.test(file))
        .map((file) => {
          const name = path.posix.join(folder, file.split(path.sep).join("/"))
          return parse(name, fs.readFileSync(path.join(project, name), "utf8"))
        })
    : []

describe("the house", () => {
  const all = ["src", "test", "bench", "examples", "migrations"].flatMap(sources)

  it("is there to be judged", () => {
    const paths = all.map((source) => source.path)
    expect(paths).toEqual(expect.arrayContaining(["src/Dialect.ts", "test/architecture.test.ts"]))
    expect(all.find((source) => source.path === "src/Dialect.ts")?.imports.length).toBeGreaterThan(5)
  })

  it.each(Object.entries(rules))("%s", (_, rule) => {
    // One text: the runner shows equal-looking failures only once.
    expect(all.flatMap(rule).join("\n")).toBe("")
  })
})

/** What each rule finds in one file, without the place. */
const judge = (file: string, text: string) =>
  Object.values(rules).flatMap((rule) => rule(parse(file, text)).map((line) => line.slice(line.indexOf(": ") + 2)))

const cases: Readonly<Record<string, ReadonlyArray<readonly [file: string, text: string, ...found: Array<string>]>>> = {
  "rooms import downwards": [
    ["src/model/A.ts", `import type { X } from "../Dialect.js"`, "model imports src/Dialect.ts"],
    ["src/Dialect.ts", `import * as X from "./connection/Pool.js"`, "Dialect imports src/connection/Pool.ts"],
    ["src/connection/Pool.ts", `export { x } from "../client/Client.js"`, "connection imports src/client/Client.ts"],
    ["src/seed/Seed.ts", `const x = await import("../observe/Health.js")`, "seed imports src/observe/Health.ts"],
    ["src/observe/Health.ts", `import "../Database.js"`, "observe imports src/Database.ts"],
    ["src/observe/Health.ts", `import {\n  a,\n  b\n} from "../migration/Migrator.js"`],
    ["src/client/Client.ts", `import * as P from "../connection/Pool.js"\nimport "./Statement.js"`],
    ["src/cli/up.ts", `import * as D from "../Database.js"\nimport * as P from "../dialect/index.js"`],
    ["src/model/A.ts", `import x from "../../test/x.js"`, "imports test/x.ts, which is in no room of src"],
    ["src/cli/Version.ts", `import about from "../../package.json" with { type: "json" }`]
  ],
  "only edges and the table name a product": [
    ["src/client/Client.ts", `import "../dialect/sqlState.js"`, "client imports src/dialect/sqlState.ts"],
    ["src/dialect/sqlite/connect.ts", `import "../postgres/ddl.js"`, "sqlite imports src/dialect/postgres/ddl.ts"],
    ["src/dialect/postgres/ddl.ts", `import "../cockroach/ddl.js"`, "postgres imports src/dialect/cockroach/ddl.ts"],
    ["src/dialect/pglite/ddl.ts", `import "../postgres/ddl.js"\nimport "../sqlState.js"\nimport "../../Dialect.js"`],
    ["src/dialect/sqlState.ts", `import "./postgres/ddl.js"`, "dialect imports src/dialect/postgres/ddl.ts"],
    ["src/dialect/sqlite/ddl.ts", `import "../../connection/Pool.js"`, "sqlite imports src/connection/Pool.ts"],
    ["src/dialect/index.ts", `import "./postgres/index.js"`, "loads postgres before it is asked for"],
    ["src/dialect/index.ts", `import * as Sqlite from "./sqlite/index.js"`],
    ["src/dialect/index.ts", `const all = { postgres: () => import("./postgres/index.js") }`]
  ],
  "every file has a room": [["src/utils/x.ts", "", "belongs to no room"]],
  "drivers stay with their product": [
    ["src/client/Copy.ts", `import pg from "pg"`, "imports the driver pg outside a product's folder"],
    [
      "src/client/Copy.ts",
      `import type { Client } from "pg/lib/client.js"`,
      "imports the driver pg/lib/client.js outside a product's folder"
    ],
    [
      "src/dialect/postgres/ddl.ts",
      `import * as P from "@effect/sql-pg/PgClient"`,
      "loads the driver @effect/sql-pg/PgClient outside connect and compiler"
    ],
    ["src/dialect/postgres/connect.ts", `import pg from "pg"\nconst pgvector = import("pg-copy-streams")`],
    ["src/dialect/sqlite/values.ts", `import type { Database } from "better-sqlite3"`]
  ],
  "submodules and suffixes": [
    ["src/seed/Seed.ts", `import { Effect } from "effect"`, "imports the barrel effect"],
    ["src/seed/Seed.ts", `import { SqlClient } from '@effect/sql'`, "imports the barrel @effect/sql"],
    ["src/seed/Seed.ts", `import * as Effect from "effect/Effect"`],
    ["test/x.test.ts", `import { Effect } from "effect"`],
    ["src/seed/Seed.ts", `import * as Fixture from "./Fixture"`, "imports ./Fixture without .js"]
  ],
  "short files": [
    ["test/long.ts", "\n".repeat(400).concat("x"), "401 lines, 400 are allowed"],
    ["test/long.ts", "x\n".repeat(400)]
  ],
  "nothing untyped without a reason": [
    ["src/seed/Seed.ts", "const x = y as any", "any without a reason beside it"],
    ["src/seed/Seed.ts", "const f = (x: any, y: Array<any>) => x", ...Array(2).fill("any without a reason beside it")],
    [
      "src/seed/Seed.ts",
      "// biome-ignore lint/suspicious/noExplicitAny: ok\nlet x: any",
      "any without a reason beside it"
    ],
    ["src/seed/Seed.ts", "// biome-ignore lint/suspicious/noExplicitAny: upstream has it so\nlet x: any"],
    ["src/seed/Seed.ts", "let x: any // rows are the author's business"],
    ["src/seed/Seed.ts", "const many = company.any(x) // any\nconst s = 'as any'\n/** any */"]
  ],
  "time, chance and environment": [
    ["src/seed/Seed.ts", "const t = Date.now()", "Date.now without a reason beside it"],
    ["src/seed/Seed.ts", "const t = new Date()", "new Date() without a reason beside it"],
    ["src/seed/Seed.ts", `const t = \`at $\{Math.random()}\``, "Math.random without a reason beside it"],
    ["src/bin.ts", "// The command's own environment, read once.\nconst e = process.env"],
    [
      "src/seed/Seed.ts",
      `// Date.now is not used here\nconst s = \`Math.random() $\{x} process.env\`\nconst r = /Date.now/`
    ],
    ["test/x.test.ts", "const t = Date.now()"]
  ],
  "nobody asks which product it is": [
    ["src/cli/up.ts", `if (dialect.name === "sqlite") x()`, `asks which product it is: dialect.name ===`],
    ["src/schema/Plan.ts", `if (it.name !== "pglite") x()`, `asks which product it is: .name !== "pglite"`],
    ["src/schema/Plan.ts", `if ("sqlite" === n) x()`, `asks which product it is: "sqlite" ===`],
    ["src/schema/Plan.ts", "switch (dialect.name) {}", "asks which product it is: switch (dialect.name)"],
    ["src/dialect/index.ts", `if (dialect.name === "sqlite") x()`],
    ["src/schema/Plan.ts", `// never dialect.name ===\nif (dialect.can.has("copy")) x()`]
  ],
  "documented exports": [
    ["src/seed/Seed.ts", "export const x = 1", "x has no doc comment"],
    ["src/seed/Seed.ts", "/** What. @category a */\nexport class X {}", "X does not say @since"],
    ["src/seed/Seed.ts", "/** What. @since 0.1.0 */\nexport interface X {}", "X does not say one @category"],
    ["src/seed/Seed.ts", "/** @since 0.1.0 @category a */\nconst y = 1\nexport type X = 1", "X has no doc comment"],
    ["src/seed/Seed.ts", "/** @since 0.1.0 @category a */\n// biome-ignore x: y\nexport async function x() {}"],
    ["src/seed/Seed.ts", "/** @since 0.1.0 @category a */\nexport function f(a: 1): 1\nexport function f(a: 2): 2"],
    ["src/index.ts", `export * as Seed from "./seed/Seed.js"\nexport { x } from "./Database.js"`],
    ["src/seed/Seed.ts", "const template = `\nexport const down = 1\n`"]
  ]
}

describe.each(Object.entries(cases))("the rule bites: %s", (_, files) => {
  it.each(files.map((each, index) => [index + 1, ...each] as const))("case %i: %s", (_, file, text, ...expected) => {
    expect(judge(file, text)).toEqual(expected)
  })
})

it("a finding names its file and its line", () => {
  const text = '/* one\n two */\nimport a from "a"\n\nimport { Effect } from "effect"\n'
  expect(rules["Effect is imported by submodule"]?.(parse("src/seed/Seed.ts", text))).toEqual([
    "src/seed/Seed.ts:5: imports the barrel effect"
  ])
})

describe("the scanner", () => {
  const specifiers = (text: string) => parse("src/x.ts", text).imports.map((one) => one.specifier)

  it("finds imports in every form and no others", () => {
    expect(
      specifiers(`
        import a, { b } from "one"
        import type { c } from 'two'
        export * as d from "three"
        import "four"
        const e = () => import("five")
        type F = typeof import("six")
        // import g from "seven"
        const h = \`import i from "eight" \${nested(\`import "nine"\`, import("ten"))}\`
        const j = 'import k from "eleven"'
        const l = m / n; const o = /import "twelve"/; resolve("thirteen"); import.meta.resolve("fourteen")
      `).sort()
    ).toEqual(["five", "four", "fourteen", "one", "six", "ten", "three", "two"])
  })

  it("keeps every line in its place", () => {
    for (const source of [...sources("src"), ...sources("test")]) {
      expect(source.code.length).toBe(source.text.length)
      expect(source.code.split("\n").length).toBe(source.text.split("\n").length)
    }
  })
})
