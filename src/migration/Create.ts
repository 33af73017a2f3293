/**
 * Writes new revisions: an empty one to fill in, one with a body somebody worked out, or one that joins several ends of
 * the history. The name and number fit what is there already; a file that exists is never written over.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { MigrationError } from "../model/MigrationError.js"
import { graphOf, type Options } from "./Desk.js"
import * as Graph from "./Graph.js"
import * as Loader from "./Loader.js"
import { label } from "./Revision.js"

/** @since 0.1.0 @category models */
export interface New {
  /** What it does, in a few words: they become part of the file's name. */
  readonly name: string
  /** `ts` unless told. */
  readonly kind?: "ts" | "sql" | undefined
  /** What it follows: revisions, `head`, `base` (nothing). Not said: the one end of the history. */
  readonly revises?: ReadonlyArray<string> | undefined
  readonly dependsOn?: ReadonlyArray<string> | undefined
  readonly transaction?: boolean | undefined
  /** `0006`, or `20260102030405`; like the newest one there is, unless told. */
  readonly number?: "sequence" | "timestamp" | undefined
  /** The folder it is written to; the first of `directory` unless told. */
  readonly into?: string | URL | undefined
  /** The bodies: SQL for `sql`, Effects for `ts`. Empty ones unless told. */
  readonly up?: string | undefined
  /** `none` says why there is no way back. */
  readonly down?: string | { readonly none: string } | undefined
  /** More imports of a `ts` body, a line each. */
  readonly imports?: ReadonlyArray<string> | undefined
}

/** The file that was written. @since 0.1.0 @category models */
export interface Created {
  readonly id: string
  readonly name: string
  readonly file: string
  readonly revises: ReadonlyArray<string>
}

const notWritten = (problem: string, remedy: string, cause?: unknown, file?: string) =>
  new MigrationError({ reason: "not-written", problem, remedy, cause, file })

/** The graph; a folder that is not there yet has an empty one. @since 0.1.0 @category constructors */
export const present = (options: Options): Effect.Effect<Graph.Graph, MigrationError> =>
  Effect.catchIf(
    graphOf(options),
    (error) => error.reason === "no-folder" && (error.cause as { code?: unknown }).code === "ENOENT",
    () => Graph.make([])
  )

/** Writes a new revision's file. @since 0.1.0 @category writing */
export const create = (options: Options & New): Effect.Effect<Created, MigrationError> =>
  Effect.flatMap(present(options), (graph) => write(graph, options))

/**
 * Writes a revision that follows several ends of the history, all of them unless told, and does nothing else.
 *
 * @since 0.1.0
 * @category writing
 */
export const merge = (
  options: Options &
    Partial<Pick<New, "name" | "kind" | "into" | "number">> & {
      readonly revisions?: ReadonlyArray<string> | undefined
    } = {}
): Effect.Effect<Created, MigrationError> =>
  Effect.gen(function* () {
    const graph = yield* present(options)
    const ids: Array<string> = []
    for (const name of options.revisions ?? ["heads"]) {
      const target = yield* Graph.target(graph, name)
      if (target._tag === "at") ids.push(...target.ids)
    }
    const ends = [...new Set(ids)]
    if (ends.length < 2) {
      return yield* notWritten(
        graph.heads.length < 2
          ? "the history has one end, and nothing to merge"
          : "one revision alone cannot be merged",
        graph.heads.length < 2 ? "Go on with Migrator.create" : "Name two revisions or more, or none for all ends"
      )
    }
    const inner = ends.find((id) => ends.some((other) => other !== id && Graph.ancestors(graph, [other]).has(id)))
    if (inner !== undefined) {
      const node = graph.byId.get(inner)
      return yield* notWritten(
        `${node === undefined ? inner : label(node)} comes before another one of them already`,
        "Leave it out"
      )
    }
    return yield* write(graph, { kind: "sql", ...options, name: options.name ?? "merge", revises: ends, merges: true })
  })

const write = Effect.fnUntraced(function* (
  graph: Graph.Graph,
  options: Options & New & { readonly merges?: boolean | undefined }
) {
  const name = slug(options.name)
  if (name === "") return yield* notWritten("the name of a migration has no letters", "Say in a few words what it does")
  const revises = yield* parents(graph, options.revises)
  const dependsOn = yield* Effect.forEach(options.dependsOn ?? [], (one) => Graph.find(graph, one))
  const id = nextId(graph, options.number, yield* Clock.currentTimeMillis)
  const { directory } = options
  const [first] = typeof directory === "string" || directory instanceof URL ? [directory] : (directory ?? [])
  const folder = Loader.folderOf(options.into ?? first ?? "migrations")
  const kind = options.kind ?? "ts"
  const file = path.join(folder, `${id}_${name}.${kind}`)
  const header = [
    ...(revises.written ? [`revises: ${revises.ids.join(", ") || "base"}`] : []),
    ...(dependsOn.length === 0 ? [] : [`depends-on: ${dependsOn.map((node) => node.id).join(", ")}`]),
    ...(options.transaction === false && kind === "sql" ? ["transaction: false"] : [])
  ]
  const text = kind === "sql" ? sql(header, options) : typescript(header, options)
  yield* Effect.try({
    try: () => {
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(file, text, { flag: "wx" })
    },
    catch: (cause) =>
      notWritten(
        (cause as { code?: unknown }).code === "EEXIST"
          ? "the file is there already"
          : `it cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
        "Give it another name, or this user the right to write there",
        cause,
        Loader.shown(file)
      )
  })
  const created: Created = { id, name, file: Loader.shown(file), revises: revises.ids }
  return created
})

/** Written into the header only where the order of names does not say the same. */
const parents = (
  graph: Graph.Graph,
  given: ReadonlyArray<string> | undefined
): Either.Either<{ readonly ids: ReadonlyArray<string>; readonly written: boolean }, MigrationError> => {
  const byName = [...graph.nodes].sort((a, b) => (Graph.digits(a.id) < Graph.digits(b.id) ? -1 : 1)).at(-1)
  const implied = graph.heads.length === 0 || (graph.heads.length === 1 && graph.heads[0] === byName?.id)
  if (given === undefined) {
    return Either.map(Graph.head(graph), (id) => ({ ids: id === undefined ? [] : [id], written: !implied }))
  }
  const ids: Array<string> = []
  for (const name of given) {
    const target = Graph.target(graph, name)
    if (Either.isLeft(target)) return Either.left(target.left)
    if (target.right._tag === "at") ids.push(...target.right.ids)
  }
  const same = implied && ids.length === graph.heads.length && ids.every((id) => graph.heads.includes(id))
  return Either.right({ ids, written: !same })
}

const slug = (name: string): string =>
  name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "")
    .slice(0, 80)

const timestamp = /^\d{14}$|^\d{8}[T_-]\d{4,6}$/

/** Behind all there are. */
const nextId = (graph: Graph.Graph, number: New["number"], now: number): string => {
  const last = graph.nodes.reduce<Graph.Node | undefined>(
    (most, node) => (most === undefined || Graph.digits(node.id) > Graph.digits(most.id) ? node : most),
    undefined
  )
  const highest = last === undefined ? 0n : Graph.digits(last.id)
  const following = String(highest + 1n).padStart(Math.max(4, last?.id.replace(/\D/g, "").length ?? 0), "0")
  const dated = number === undefined ? last !== undefined && timestamp.test(last.id) : number === "timestamp"
  if (!dated) return following
  const stamp = new Date(now).toISOString().replace(/\D/g, "").slice(0, 14)
  return BigInt(stamp) > highest ? stamp : following
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ")

const sql = (header: ReadonlyArray<string>, { down, merges, up }: New & { readonly merges?: boolean | undefined }) => {
  const first = `${header.map((line) => `-- ${line}\n`).join("")}-- migrate:up\n`
  const there = merges === true ? "" : `\n${up?.trim() ?? ""}\n`
  if (typeof down === "object") return `${first}${there}\n-- No way back: ${oneLine(down.none)}\n`
  return `${first}${there}\n-- migrate:down\n${down === undefined ? "" : `\n${down.trim()}\n`}`
}

/** Strings and comments are not looked at; where a template might be one of them, everything is. */
const code = (text: string): string => {
  const bare = text.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\/[^\n]*/g, "")
  return bare.includes("`") ? text : bare
}

const typescript = (
  header: ReadonlyArray<string>,
  { down = "Effect.void", imports = [], merges, transaction, up }: New & { readonly merges?: boolean | undefined }
): string => {
  const body = up ?? "Effect.void"
  const used = code(`${body}\n${typeof down === "string" ? down : ""}`)
  const uses = (word: string) => new RegExp(`\\b${word}\\.`).test(used) && !imports.some((one) => one.includes(word))
  const names = [...["Change"].filter(uses), "Migration", ...["Operations", "Table"].filter(uses)]
  const hint =
    up === undefined && merges !== true
      ? [
          `  // Operations.createTable(Table.make("users", { … })), Operations.addColumn("users", "age", Table.int), … or SqlClient`
        ]
      : []
  const fields = [
    `up: ${body}`,
    ...(typeof down === "string" ? [`down: ${down}`] : []),
    ...(transaction === false ? ["transaction: false"] : [])
  ]
  return [
    ...header.map((line) => `// ${line}`),
    `import { ${names.join(", ")} } from "effect-aquifer"`,
    ...["Effect", "Schema"].filter(uses).map((name) => `import * as ${name} from "effect/${name}"`),
    ...imports,
    "",
    "export default Migration.make({",
    ...hint,
    fields.map((field) => `  ${field}`).join(",\n"),
    ...(typeof down === "string" ? [] : [`  // No way back: ${oneLine(down.none)}`]),
    "})",
    ""
  ].join("\n")
}
