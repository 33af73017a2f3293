/**
 * The rules of the house as functions from a file to what is wrong with it. Who may import whom is a table; a rule says
 * what it found and where, and never what a file should rather have done.
 */
import { type Comment, type Import, lineAt, resolved, type Source } from "./source.js"

/** One line for a person: the place, then what is wrong there. */
export type Rule = (source: Source) => ReadonlyArray<string>

/** Bottom up: a room may import itself and what stands before it. */
const rooms = ["model", "Dialect", "connection", "transaction", "client", "schema", "migration", "seed", "observe"]
const edges = ["Database", "PromiseClient", "testing", "http", "cli", "app", "index", "bin"]
const products = ["postgres", "cockroach", "pglite", "sqlite"]

/** Products that are another one except for what they say. */
const relatives: Readonly<Record<string, string>> = { cockroach: "postgres", pglite: "postgres" }

interface Place {
  readonly room: string
  readonly product?: string | undefined
}

const placeOf = (file: string): Place | undefined => {
  const [src, first = "", second = ""] = file.split("/")
  if (src !== "src") return undefined
  const room = first.replace(/\.ts$/, "")
  if (room === "dialect") return { room, product: products.includes(second) ? second : undefined }
  return rooms.includes(room) || edges.includes(room) ? { room } : undefined
}

const mayImport = (from: Place, to: Place, file: string): boolean => {
  if (edges.includes(from.room)) return true
  if (to.room === "dialect") {
    if (from.room !== "dialect") return false
    // The table of products knows them all; what they share knows none of them.
    if (from.product === undefined) return to.product === undefined || file === "src/dialect/index.ts"
    if (to.product === undefined) return true
    return to.product === from.product || to.product === relatives[from.product]
  }
  if (edges.includes(to.room)) return false
  const ceiling = from.room === "dialect" ? "Dialect" : from.room
  return rooms.indexOf(to.room) <= rooms.indexOf(ceiling)
}

const inSrc = (source: Source) => source.path.startsWith("src/")

const found = (source: Source, line: number, what: string) => `${source.path}:${line}: ${what}`

const ofImports =
  (judge: (source: Source, one: Import) => string | undefined): Rule =>
  (source) =>
    inSrc(source)
      ? source.imports.flatMap((one) => {
          const wrong = judge(source, one)
          return wrong === undefined ? [] : [found(source, one.line, wrong)]
        })
      : []

const placed: Rule = (source) =>
  inSrc(source) && placeOf(source.path) === undefined ? [found(source, 1, "belongs to no room")] : []

const direction = ofImports((source, one) => {
  const target = resolved(source, one)
  const from = placeOf(source.path)
  if (target === undefined || from === undefined || target === "package.json") return undefined
  const to = placeOf(target)
  if (to === undefined) return `imports ${target}, which is in no room of src`
  return mayImport(from, to, source.path) ? undefined : `${from.product ?? from.room} imports ${target}`
})

/**
 * The table of products loads the one that is used: with SQLite, `pg` is never loaded. SQLite itself may stand there
 * loaded: its layer is built synchronously, and an import is not.
 */
const lazyProducts = ofImports((source, one) => {
  const product = placeOf(resolved(source, one) ?? "")?.product
  return source.path === "src/dialect/index.ts" &&
    product !== undefined &&
    product !== "sqlite" &&
    !one.dynamic &&
    !one.typeOnly
    ? `loads ${product} before it is asked for`
    : undefined
})

const driver =
  /^(?:pg(?:-[a-z-]+)?|better-sqlite3|@electric-sql\/pglite[a-z-]*|@effect\/sql-(?:pg|sqlite-node))(?:\/|$)/

const drivers = ofImports((source, one) => {
  if (!driver.test(one.specifier)) return undefined
  if (placeOf(source.path)?.product === undefined)
    return `imports the driver ${one.specifier} outside a product's folder`
  return one.typeOnly || /\/(?:connect|compiler)[A-Za-z]*\.ts$/.test(source.path)
    ? undefined
    : `loads the driver ${one.specifier} outside connect and compiler`
})

const barrels = ofImports((_, one) =>
  /^(?:effect|@effect\/[a-z-]+)$/.test(one.specifier) ? `imports the barrel ${one.specifier}` : undefined
)

const spelledOut = ofImports((_, one) =>
  one.specifier.startsWith(".") && !/\.js(?:on)?$/.test(one.specifier)
    ? `imports ${one.specifier} without .js`
    : undefined
)

/** Room for a thought; beyond it a file holds two. */
const limit = 400

const short: Rule = (source) => {
  const lines = source.text.trimEnd().split("\n").length
  return lines > limit ? [found(source, lines, `${lines} lines, ${limit} are allowed`)] : []
}

/** A reason is a sentence: at least three words that are not the name of a lint rule. */
const isReason = ({ text }: Comment) => {
  const prose = text.replace(/biome-ignore[^:]*:/, "").replace(/@\w+/g, "")
  return (prose.match(/[\p{L}\d]+/gu) ?? []).length >= 3
}

/** In the same line, or ending in the line above. */
const hasReason = (source: Source, line: number) =>
  source.comments.some((one) => (one.lastLine === line - 1 || one.firstLine === line) && isReason(one))

const needsReason =
  (pattern: RegExp, applies: (source: Source) => boolean): Rule =>
  (source) =>
    applies(source)
      ? Array.from(source.code.matchAll(pattern)).flatMap((match) => {
          const line = lineAt(source.text, match.index)
          return hasReason(source, line) ? [] : [found(source, line, `${match[0].trim()} without a reason beside it`)]
        })
      : []

const untyped = needsReason(/(?<![.\w$])any(?![\w$(:?])|@ts-(?:ignore|expect-error|nocheck)/g, () => true)

const ambient = needsReason(/\bDate\.now\b|\bMath\.random\b|\bprocess\.env\b|\bnew Date\(\)/g, inSrc)

const product = "[\"'](?:postgresql|postgres|cockroachdb|cockroach|pglite|sqlite)[\"']"
const comparison = new RegExp(
  `\\b[dD]ialect(?:\\.name)?\\s*[!=]==?|\\.name\\s*[!=]==?\\s*${product}|${product}\\s*[!=]==?|switch\\s*\\([^)]*[dD]ialect[^)]*\\)`,
  "g"
)

/** Products differ behind the seam: whoever asks which one it is has found something the seam should say. */
const seam: Rule = (source) =>
  inSrc(source) && !source.path.startsWith("src/dialect/")
    ? Array.from(source.spoken.matchAll(comparison), (match) =>
        found(source, lineAt(source.text, match.index), `asks which product it is: ${match[0]}`)
      )
    : []

const declaration =
  /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(const enum|const|let|function\*?|class|interface|type|enum|namespace)\s+([\w$]+|\{)/gm

/** The doc comment that ends right before the offset; line comments (lint suppressions) may stand in between. */
const docBefore = (source: Source, offset: number): string | undefined => {
  for (const comment of source.comments.filter((one) => one.end <= offset).reverse()) {
    if (source.code.slice(comment.end, offset).trim() !== "") return undefined
    if (comment.text.startsWith("/**")) return comment.text
  }
  return undefined
}

const documented: Rule = (source) => {
  if (!inSrc(source)) return []
  let overloaded = ""
  return Array.from(source.code.matchAll(declaration)).flatMap((match) => {
    const [, kind = "", name = ""] = match
    // `export type { X } from`: nothing is declared.
    if (kind === "type" && name === "{") return []
    const again = kind.startsWith("function") && overloaded === name
    overloaded = kind.startsWith("function") ? name : ""
    const doc = docBefore(source, match.index)
    const say = (what: string) => [found(source, lineAt(source.text, match.index), `${name} ${what}`)]
    if (again) return []
    if (doc === undefined) return say("has no doc comment")
    if (!/@since \d/.test(doc)) return say("does not say @since")
    return kind === "namespace" || doc.split("@category").length === 2 ? [] : say("does not say one @category")
  })
}

/** Every rule under the promise it keeps. */
export const rules: Readonly<Record<string, Rule>> = {
  "every file lives in a room": placed,
  "rooms import downwards only, and only the edges and the table of products name a product": direction,
  "the table of products loads a product when it is asked for": lazyProducts,
  "drivers are imported by their product alone": drivers,
  "Effect is imported by submodule": barrels,
  "relative imports are spelled out": spelledOut,
  "no file is longer than 400 lines": short,
  "nothing is untyped without a reason": untyped,
  "time, chance and environment are services": ambient,
  "nobody asks which product it is": seam,
  "every export is documented": documented
}
