/**
 * Where this process runs, as far as a configuration cares: the profile its environment names and which of several workers
 * it is. Read from the current `ConfigProvider`; nothing here is a setting of the database.
 *
 * @since 0.1.0
 */
import * as process from "node:process"
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import type { Profile } from "../DatabaseConfig.js"
import * as Decoder from "./decoder.js"

/** @since 0.1.0 @category models */
export interface Place {
  readonly dbEnv: string | undefined
  readonly nodeEnv: string | undefined
  readonly worker: string | undefined
}

/** A variable, `undefined` where it is missing or empty. @since 0.1.0 @category constructors */
export const optional = (name: string): Config.Config<string | undefined> =>
  Config.map(Config.option(Config.string(name)), (value) =>
    Option.getOrUndefined(Option.filter(value, (text) => text.trim() !== ""))
  )

/** Vitest, pytest-xdist's name, Jest, Playwright, Node's cluster, PM2: the first that is there. */
const workerVariables = [
  "VITEST_POOL_ID",
  "VITEST_WORKER_ID",
  "PYTEST_XDIST_WORKER",
  "JEST_WORKER_ID",
  "TEST_WORKER_INDEX",
  "NODE_UNIQUE_ID",
  "NODE_APP_INSTANCE"
]

/** @since 0.1.0 @category constructors */
export const place: Config.Config<Place> = Config.map(
  Config.all({
    dbEnv: optional("DB_ENV"),
    nodeEnv: optional("NODE_ENV"),
    workers: Config.all(workerVariables.map(optional))
  }),
  ({ dbEnv, nodeEnv, workers }) => ({ dbEnv, nodeEnv, worker: workers.find((worker) => worker !== undefined) })
)

/** @since 0.1.0 @category decoders */
export const profile: Decoder.Decoder<Profile> = Decoder.oneOf({
  production: ["prod"],
  development: ["dev"],
  test: ["testing"]
})

/** `NODE_ENV` is not ours: an unknown word there ("staging") is no problem, and no production. @since 0.1.0 @category accessors */
export const nodeProfile = (place: Place): Profile | undefined => profile.decode(place.nodeEnv, "seconds")

/** What PostgreSQL keeps of a name (NAMEDATALEN - 1). @since 0.1.0 @category constants */
export const nameBytes = 63

/** `aquifer`, in a worker `aquifer_{worker}_{pid}`; fits whatever the worker is called. @since 0.1.0 @category accessors */
export const defaultName = (base: string, place: Place): string => {
  if (place.worker === undefined) return base
  // A process id is no input of a program but its identity; there is no service for it.
  const tail = `_${process.pid}`
  const worker = place.worker.replace(/[^A-Za-z0-9.-]/g, "_")
  return `${`${base}_${worker}`.slice(0, nameBytes - tail.length)}${tail}`
}
