/** The README is held to the code: its programs compile, its tables say what the code says. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { codes } from "../src/cli/codes.js"
import { commands } from "../src/cli/commands.js"
import { globals, kindOf } from "../src/cli/Options.js"
import { settingsTable } from "../src/model/DatabaseConfig.js"
import { classes } from "../src/model/DatabaseError.js"
import * as RetryPolicy from "../src/model/RetryPolicy.js"

const project = path.resolve(import.meta.dirname, "..")
const readme = fs.readFileSync(path.join(project, "README.md"), "utf8")
const programs = Array.from(readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm), ([, text = ""]) => text)

/** The cells of the table's rows whose first cell is code, of the section under a heading. */
const rows = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, section = ""] = readme.split(new RegExp(`^#+ ${heading}$`, "m"))
  return (section.split(/^#+ /m)[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )
}

/** The command that a text like `aquifer migrate up REV` begins with. */
const commandOf = (text: string) => {
  const words = text.replaceAll("`", "").split(" ").slice(1)
  return commands.find(({ name }) => name.split(" ").every((part, index) => words[index] === part))
}

describe("the README's programs", () => {
  it("are there", () => {
    expect(programs.length).toBeGreaterThanOrEqual(6)
    expect((readme.match(/^```/gm) ?? []).length % 2).toBe(0)
  })

  it("compile as they stand, as strictly as the project itself", async () => {
    // Where git does not look; a package of its own, as a reader's program is.
    const folder = path.join(project, "node_modules", ".readme")
    fs.rmSync(folder, { recursive: true, force: true })
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module", private: true }))
    for (const [index, text] of programs.entries()) {
      fs.writeFileSync(path.join(folder, `program${index + 1}.ts`), text)
    }
    const source = (file: string) => [path.join(project, "src", file)]
    fs.writeFileSync(
      path.join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: path.join(project, "tsconfig.json"),
        compilerOptions: {
          paths: {
            "effect-aquifer": source("index.ts"),
            "effect-aquifer/app": source("app/index.ts"),
            "effect-aquifer/http": source("http/index.ts"),
            "effect-aquifer/testing": source("testing/index.ts")
          },
          typeRoots: [path.join(project, "node_modules/@types")]
        },
        files: programs.map((_, index) => `program${index + 1}.ts`),
        include: []
      })
    )
    const tsc = path.join(project, "node_modules/typescript/bin/tsc")
    const said = await promisify(execFile)(process.execPath, [tsc, "-p", folder], { cwd: folder }).then(
      () => "",
      (error: { readonly stdout?: string }) => error.stdout ?? String(error)
    )
    // Mistakes elsewhere in the source are the type check's to tell.
    expect(said.split("\n").filter((line) => line.startsWith("program"))).toEqual([])
  })
})

describe("the README's tables", () => {
  it("the settings are those of the code", () => {
    const [, between] = /<!-- settings -->\n([\s\S]*?)\n<!-- \/settings -->/.exec(readme) ?? []
    expect(between).toBe(settingsTable())
  })

  it("the errors are all there, with their group and what they allow", () => {
    const details = { operation: "test", reason: "test" }
    const expected = Object.entries(classes).map(([tag, Class]) => {
      // What a class needs besides its details does not decide its group or its recovery.
      const error = new Class(details as never)
      return [`\`${tag}\``, error.group, error.recovery]
    })
    expect(rows("Errors").map((cells) => cells.slice(0, 3))).toEqual(expected)
  })

  it("what is run again is what the code would run again, as often", () => {
    const table = rows("What is run again")
    const kinds = { restart: "conflict", reprepare: "conflict", reconnect: "connection" } as const
    const expected = Object.entries(classes).flatMap(([tag, Class]) => {
      const { recovery } = new Class({ operation: "test", reason: "test" } as never) // as above
      return recovery in kinds ? [[tag, kinds[recovery as keyof typeof kinds]]] : []
    })
    const said = table.flatMap(([tags = "", kind = ""]) =>
      Array.from(tags.matchAll(/`(\w+)`/g), ([, tag = ""]) => [tag, kind])
    )
    expect(said.sort()).toEqual(expected.sort())
    const often = (kind: string) => table.find((cells) => cells[1] === kind)?.[2] ?? ""
    expect(often("conflict")).toMatch(new RegExp(`^${RetryPolicy.conflict.maxRetries} times`))
    expect(often("connection")).toMatch(new RegExp(`^${RetryPolicy.connection.maxRetries} times`))
  })

  it("the commands are all there", () => {
    expect(
      rows("The command")
        .slice(0, commands.length)
        .map(([name = ""]) => commandOf(name)?.name)
    ).toEqual(commands.map(({ name }) => name))
  })

  it("the exit codes are the command's", () => {
    const said = Array.from(readme.matchAll(/^\| (\d+) \| ([^:|(]+)/gm), ([, code, meaning = ""]) => [
      code,
      meaning.trim()
    ])
    expect(said.map(([code]) => code)).toEqual(Object.keys(codes))
    expect(said[0]).toEqual(["0", codes[0]])
  })

  it("every command of Alembic has a counterpart, and every counterpart is a command that takes those options", () => {
    const table = rows("Coming from Alembic")
    // As `alembic --help` (1.16) lists them.
    const alembic =
      "branches check current downgrade edit ensure_version heads history init list_templates merge revision show stamp upgrade"
    expect([...new Set(table.map(([cell = ""]) => /alembic (\w+)/.exec(cell)?.[1]))].sort()).toEqual(alembic.split(" "))
    for (const [left = "", right = ""] of table) {
      const named = Array.from(right.matchAll(/`(aquifer [^`]+)`/g), ([, text = ""]) => text)
      expect({ [left]: named.length }).not.toEqual({ [left]: 0 })
      for (const text of named) {
        const command = commandOf(text)
        expect({ [text]: command?.name }).not.toEqual({ [text]: undefined })
        const options = Array.from(text.matchAll(/ --?([a-z][\w-]*)/g), ([, option = ""]) => option)
        const known = [...(command?.takes ?? []), ...globals].flatMap((name) => [name, kindOf(name).short ?? name])
        expect({ [text]: options.filter((option) => !known.some((name) => name === option)) }).toEqual({ [text]: [] })
      }
    }
  })
})
