/**
 * `aquifer doctor`: everything that commonly keeps an application from its database, each with what was found and what to do
 * about it. It goes on past what is wrong as long as there is anything to be asked.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import { join } from "node:path"
import process from "node:process"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Connections from "../connection/Connections.js"
import type { Check } from "../Dialect.js"
import { Dialect } from "../Dialect.js"
import * as Dialects from "../dialect/index.js"
import * as Status from "../migration/Status.js"
import { protect } from "../model/config/redacted.js"
import { type DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import type { DatabaseError } from "../model/DatabaseError.js"
import * as Health from "../observe/Health.js"
import { type Run, show } from "./Command.js"
import { said } from "./Failure.js"
import { called, millis, plural } from "./layout.js"
import { source } from "./migrate/source.js"
import type { Options } from "./Options.js"
import { onDatabase, there } from "./onDatabase.js"
import type { Style } from "./Style.js"
import * as Target from "./Target.js"
import { sentence } from "./words.js"

const fine = (name: string, finding: string): Check => ({ name, verdict: "fine", finding })

const wrong = (name: string, error: unknown, where?: string): ReadonlyArray<Check> =>
  said(error, where).map((one) => ({ name, verdict: "wrong", ...one }))

/** The copy of a package that the project in this folder would import. */
const versionHere = (name: string): string | undefined => {
  try {
    const found: { readonly version: string } = createRequire(join(process.cwd(), "package.json"))(
      `${name}/package.json`
    )
    return found.version
  } catch {
    return undefined
  }
}

const versionOf = (name: string): string | undefined => {
  try {
    const found: { readonly version: string } = createRequire(import.meta.url)(`${name}/package.json`)
    return found.version
  } catch {
    return undefined
  }
}

const runtime = (): ReadonlyArray<Check> => {
  const [major = 0] = process.versions.node.split(".").map(Number)
  const node: Check =
    major >= 20
      ? fine("node", process.versions.node)
      : { name: "node", verdict: "wrong", finding: process.versions.node, remedy: "Install Node 20 or newer." }
  const ours = versionOf("effect")
  const theirs = versionHere("effect")
  const effect: Check =
    theirs === undefined || theirs === ours
      ? fine("effect", ours ?? "unknown")
      : {
          name: "effect",
          verdict: "note",
          finding: `${ours} here, ${theirs} in the project.`,
          remedy: "Install effect-aquifer in the project and run it from there: migrations must see one copy of effect."
        }
  return [node, effect]
}

const reachable = (config: DatabaseConfig) =>
  Effect.map(
    Health.check,
    (report): ReadonlyArray<Check> =>
      report.status === "up"
        ? [
            fine(
              "reachable",
              `${called(report.product)} ${report.version}, answers in ${millis(Duration.toMillis(report.latency))}`
            )
          ]
        : wrong("reachable", report.error, describeTarget(config))
  )

/** Not wrong where the first session makes it. */
const missing = ({ hint, reason }: DatabaseError): ReadonlyArray<Check> => [
  { name: "reachable", verdict: "note", finding: sentence(reason), remedy: hint }
]

const server = (config: DatabaseConfig) =>
  Effect.gen(function* () {
    const { admin } = yield* Dialect
    if (admin === undefined) return []
    const connections = yield* Connections.of(yield* SqlClient.SqlClient)
    return yield* Effect.scoped(Effect.flatMap(connections.own, (own) => admin.checkup(own, config)))
  }).pipe(Effect.catchAll((error) => Effect.succeed(wrong("server", error))))

const history = (options: Options) =>
  Effect.map(Status.status(source(options)), (found): ReadonlyArray<Check> => {
    const problems = found.problems.flatMap((problem) => wrong("migrations", problem))
    const pending: Check = {
      name: "migrations",
      verdict: "note",
      finding: `${plural(found.pending, "migration is", "migrations are")} pending.`,
      remedy: "aquifer migrate up applies them."
    }
    return problems.length > 0
      ? problems
      : [found.pending > 0 ? pending : fine("migrations", `${found.applied} applied, up to date`)]
  }).pipe(Effect.catchAll((error) => Effect.succeed(wrong("migrations", error))))

const marks = { fine: "ok", note: "note", wrong: "WRONG" } as const

const render = (checks: ReadonlyArray<Check>, style: Style): ReadonlyArray<string> => {
  const paint = { fine: style.green, note: style.yellow, wrong: style.red }
  return checks.flatMap(({ finding, name, remedy, verdict }) => [
    `  ${paint[verdict](marks[verdict].padEnd(5))}  ${name.padEnd(14)} ${finding}`,
    ...(remedy === undefined ? [] : [`${" ".repeat(24)}${style.bold(remedy)}`])
  ])
}

/** Asks one thing after the other; what needs the database only where it answers. */
const examined = (options: Options) =>
  Effect.gen(function* () {
    const resolved = yield* Effect.either(Target.resolve(options))
    if (resolved._tag === "Left") {
      const error = resolved.left
      const problems: ReadonlyArray<Check> =
        error._tag === "UsageError"
          ? [{ name: "configuration", verdict: "wrong", finding: error.message }]
          : wrong("configuration", error)
      return { database: undefined, checks: [...runtime(), ...problems] }
    }
    const config = yield* Dialects.identified(resolved.right)
    const database = describeTarget(config)
    const configuration = fine(
      "configuration",
      `${database}, ${config.profile}, pool ${config.pool.size} + ${config.pool.maxOverflow}`
    )
    const asked = yield* onDatabase(
      protect({ ...config, connect: "lazy" }),
      Effect.gen(function* () {
        const absent = yield* Effect.either(there)
        if (absent._tag === "Left") return [...missing(absent.left), ...(yield* history(options))]
        const answer = yield* reachable(config)
        if (answer.some(({ verdict }) => verdict === "wrong")) return answer
        return [...answer, ...(yield* server(config)), ...(yield* history(options))]
      })
    )
    return { database, checks: [...runtime(), configuration, ...asked] }
  })

/** @since 0.1.0 @category commands */
export const doctor: Run = (options) =>
  Effect.gen(function* () {
    const found = yield* examined(options)
    const ok = found.checks.every(({ verdict }) => verdict !== "wrong")
    yield* show(options, { ok, ...found }, ({ checks }, style) => render(checks, style))
    const pending = found.checks.some(({ name, verdict }) => name === "migrations" && verdict === "note")
    return ok ? (pending ? 3 : 0) : 1
  })
