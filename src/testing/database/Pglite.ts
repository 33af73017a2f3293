/**
 * PGlite programs with contents. Starting one from nothing takes seconds of this process's own time, from an image of another
 * a third of that: so the first of its kind is copied before anybody has touched it, and the next ones begin as that copy.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Database from "../../Database.js"
import type { Copyable } from "../../dialect/pglite/connect.js"
import { type Program, start } from "../../dialect/pglite/engine.js"
import type * as Migrator from "../../migration/Migrator.js"
import * as DatabaseConfig from "../../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, UnsupportedError } from "../../model/DatabaseError.js"
import { type Contents, fill, fingerprint, settingsOf } from "./Contents.js"
import { inTurn, onRealClock, Turns } from "./Waiting.js"

/** @since 0.1.0 @category models */
export interface Options<E> extends Contents<E> {
  readonly database: Partial<Database.Options>
  readonly acquireTimeout: Duration.Duration
}

/** Programs of this process at once: each has a hundred megabytes and more, and they run in turns anyway. */
const turns = new Turns(4)

/** The first of a kind is made once, whoever waits for it. */
const first = new Turns(1)

/** Images by fingerprint, 40 MB each; the one used last is the last to go. */
const images = new Map<string, Blob>()
const most = 3

const remember = (print: string, image: Blob) => {
  images.delete(print)
  images.set(print, image)
  for (const oldest of images.keys()) {
    if (images.size <= most) break
    images.delete(oldest)
  }
}

/** Within one process, what has no text is the same while it is the same object. */
const numbers = new WeakMap<object, string>()
let count = 0
const identity = (part: object): string => {
  const known = numbers.get(part) ?? String(++count)
  numbers.set(part, known)
  return known
}

const load = Effect.tryPromise({
  try: () => import("../../dialect/pglite/connect.js"),
  catch: (cause) =>
    new UnsupportedError({
      operation: "test database",
      reason: "the database's driver could not be loaded",
      hint: "Install the project's dependencies again",
      cause
    })
})

/** Ends with the scope; sessions that end on it before leave it running. */
const started = (image: Blob | undefined) =>
  Effect.flatMap(load, ({ startPackage }) =>
    Effect.acquireRelease(startPackage(":memory:", image), (program) =>
      Effect.ignore(Effect.tryPromise(() => program.close()))
    )
  )

const imageOf = (program: Copyable): Effect.Effect<Blob, DatabaseError> =>
  Effect.tryPromise({
    try: () => program.dumpDataDir("none"),
    catch: (cause) =>
      new ConnectionError({
        operation: "test database",
        reason: `PGlite's data could not be copied: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause,
        phase: "idle",
        sent: false
      })
  })

/** What an effect does with PGlite, it does with this program. */
const on = (program: Program) => {
  const lent: Program = {
    execProtocolRaw: (message) => program.execProtocolRaw(message),
    close: () => Promise.resolve()
  }
  return Effect.locally(start, () => Effect.succeed(lent))
}

/** The image without contents. */
const blank = "blank"

/** The first of its kind; its image is taken before anybody else has it. */
const original = <E>(options: Options<E>, config: DatabaseConfig.DatabaseConfig, print: string) =>
  Effect.gen(function* () {
    const program = yield* started(images.get(blank))
    if (!images.has(blank)) remember(blank, yield* imageOf(program))
    if (print === blank) return program
    yield* on(program)(Effect.provide(fill(options), Database.layerFrom(Effect.succeed(config))))
    remember(print, yield* imageOf(program))
    return program
  })

const again = (print: string) => {
  const image = images.get(print)
  if (image === undefined) return undefined
  remember(print, image)
  return started(image)
}

const filled = <E>(options: Options<E>, config: DatabaseConfig.DatabaseConfig) =>
  Effect.gen(function* () {
    const { acquireTimeout, migrations, seed } = options
    yield* inTurn(turns, acquireTimeout)
    const print =
      migrations === undefined && seed === undefined ? blank : yield* fingerprint(options, identity, settingsOf(config))
    const outer = yield* Effect.scope
    return yield* again(print) ??
      Effect.scoped(
        Effect.zipRight(
          inTurn(first, acquireTimeout),
          Effect.suspend(() => Scope.extend(again(print) ?? original(options, config, print), outer))
        )
      )
  })

/**
 * Does what `use` does on a program of its own with these contents, which ends with the scope.
 *
 * @since 0.1.0
 * @category combinators
 */
export const using = <A, E, E2, R>(
  options: Options<E>,
  use: (config: DatabaseConfig.DatabaseConfig) => Effect.Effect<A, E2, R>
): Effect.Effect<A, Database.Failure | Migrator.Failure | E | E2, R | Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* DatabaseConfig.make({ profile: "test", ...options.database, url: "pglite::memory:" })
    const program = yield* onRealClock(filled(options, config))
    return yield* on(program)(use(config))
  })
