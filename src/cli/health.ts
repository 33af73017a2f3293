/**
 * `aquifer health`: one question to the database and what the answer was. A database that does not answer is a result, with
 * exit code 1; a replica that does not is shown and no more than that, because the primary answers in its place. With
 * `--watch` it asks again and again, one line (or one JSON object) each time, until Ctrl-C.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Database from "../Database.js"
import { Dialect } from "../Dialect.js"
import * as Dialects from "../dialect/index.js"
import { protect } from "../model/config/redacted.js"
import { DatabaseConfig, describeTarget } from "../model/DatabaseConfig.js"
import type { DatabaseError, ReplicaSnapshot } from "../model/DatabaseError.js"
import * as Health from "../observe/Health.js"
import { type Run, show } from "./Command.js"
import { lines, said } from "./Failure.js"
import { called, millis, plural, rows } from "./layout.js"
import { onDatabase, there } from "./onDatabase.js"
import type { Style } from "./Style.js"
import * as Target from "./Target.js"
import { Terminal } from "./Terminal.js"

interface Replica {
  readonly database: string
  readonly status: ReplicaSnapshot["state"]
  /** Whether `Database.onReplica` reads from it, as far as the configuration's own bound goes. */
  readonly used: boolean
  readonly behindMillis?: number
  readonly error?: string
}

interface Shown {
  readonly database: string
  readonly product: string
  readonly status: "up" | "down"
  readonly millis?: number
  readonly version?: string
  readonly facts?: Readonly<Record<string, unknown>>
  readonly replicas: ReadonlyArray<Replica>
  readonly error?: string
}

/** `bound`: milliseconds its data may be behind. */
const replica =
  (bound: number) =>
  ({ error, name, staleness, state }: ReplicaSnapshot): Replica => ({
    database: name,
    status: state,
    used: state === "up" && (staleness ?? Number.POSITIVE_INFINITY) <= bound,
    ...(staleness === undefined ? {} : { behindMillis: staleness }),
    ...(error === undefined
      ? {}
      : {
          error: said(error)
            .map(({ finding }) => finding)
            .join(" ")
        })
  })

const standing = ({ behindMillis, status, used }: Replica, style: Style): string => {
  const behind = behindMillis === undefined ? "nobody knows how far behind" : `at most ${millis(behindMillis)} behind`
  if (used) return `${style.green("up")}, ${behind}`
  return status === "up"
    ? `${style.yellow("too old")}, ${behind}; reads go elsewhere`
    : `${style.yellow(status)}, reads go elsewhere`
}

const state = (shown: Shown, style: Style): string =>
  shown.status === "up" ? `${style.green("up")}, answers in ${millis(shown.millis ?? 0)}` : style.red("down")

const render = (shown: Shown, style: Style): ReadonlyArray<string> =>
  rows(style, [
    ["database", style.bold(shown.database)],
    ...(shown.version === undefined ? [] : [["server", `${called(shown.product)} ${shown.version}`] as const]),
    ["health", state(shown, style)],
    ...Object.entries(shown.facts ?? {}).map(([name, value]) => ["", style.dim(`${name} ${String(value)}`)] as const),
    ...shown.replicas.flatMap((one) => [
      ["replica", `${style.bold(one.database)}  ${standing(one, style)}`] as const,
      ...(one.error === undefined ? [] : [["", style.dim(one.error)] as const])
    ])
  ])

const inUse = ({ replicas }: Shown): string =>
  replicas.length === 0
    ? ""
    : `; ${replicas.filter(({ used }) => used).length} of ${plural(replicas.length, "replica", "replicas")} in use`

const check = (database: string): Effect.Effect<Shown, DatabaseError, Database.Services> =>
  Effect.gen(function* () {
    const product = (yield* Dialect).name
    const { maxStaleness = Duration.infinity } = yield* DatabaseConfig
    const report = yield* Effect.catchAll(Effect.zipRight(there, Health.check), (error) =>
      Effect.succeed({ status: "down", error, pool: undefined } as const)
    )
    const replicas = (report.pool?.replicas ?? []).map(replica(Duration.toMillis(maxStaleness)))
    if (report.status === "up") {
      const { facts, latency, version } = report
      return { database, product, status: "up", millis: Duration.toMillis(latency), version, facts, replicas }
    }
    const [error] = lines(Cause.fail(report.error), database)
    return { database, product, status: "down", replicas, ...(error === undefined ? {} : { error }) }
  })

/** @since 0.1.0 @category commands */
export const health: Run = (options) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal
    const config = yield* Effect.flatMap(Target.resolve(options), Dialects.identified)
    const database = describeTarget(config)
    // A layer that must not connect: what is down is the check's to find out.
    const lazy = protect({ ...config, connect: "lazy" })
    if (options.watch) {
      const once = Effect.flatMap(Effect.zip(check(database), DateTime.now), ([shown, at]) =>
        terminal.print(
          options.json
            ? JSON.stringify({ at: DateTime.formatIso(at), ...shown })
            : `  ${terminal.style.dim(DateTime.formatIso(at))}  ${state(shown, terminal.style)}${inUse(shown)}${shown.error === undefined ? "" : `  ${shown.error}`}`
        )
      )
      return yield* Effect.as(
        onDatabase(lazy, Effect.repeat(once, Schedule.spaced(Duration.seconds(options.every ?? 2)))),
        0 as const
      )
    }
    const shown = yield* onDatabase(lazy, check(database))
    yield* show(options, shown, render)
    if (shown.error !== undefined) yield* terminal.complain(shown.error)
    return shown.status === "up" ? 0 : 1
  })
