/**
 * What a test finds in its database: the migrations' schema, and what a seed puts there. Two databases with one
 * fingerprint hold the same, so that one of them can be a copy of the other's template.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type * as Database from "../../Database.js"
import { graphOf } from "../../migration/Desk.js"
import * as Migrator from "../../migration/Migrator.js"
import type { DatabaseConfig } from "../../model/DatabaseConfig.js"
import type { MigrationError } from "../../model/MigrationError.js"

/** @since 0.1.0 @category models */
export interface Contents<E> {
  readonly migrations?: Migrator.Options | undefined
  readonly seed?: Effect.Effect<unknown, E, Database.Services> | undefined
}

/** Makes the contents in an empty database. @since 0.1.0 @category combinators */
export const fill = <E>({
  migrations,
  seed
}: Contents<E>): Effect.Effect<void, Migrator.Failure | E, Database.Services> =>
  Effect.zipRight(
    migrations === undefined ? Effect.void : Migrator.up(migrations),
    seed === undefined ? Effect.void : Effect.asVoid(seed)
  )

/** Bundled with its user, the library has no package of its own: then it changes with the program. */
const library = (): string => {
  try {
    return createRequire(import.meta.url)("../../../package.json").version
  } catch {
    return "bundled"
  }
}

const hash = (parts: ReadonlyArray<unknown>): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16)

/** What migrations run under, as far as they may turn out otherwise by it. @since 0.1.0 @category accessors */
export const settingsOf = (config: DatabaseConfig): ReadonlyArray<unknown> => [
  config.tablePrefix,
  String(config.transformQueryNames),
  config.pool.onConnect,
  config.target.parameters.options
]

/**
 * 16 hexadecimal digits that change when the contents may have: with the texts of the migrations, this library, and `given`
 * (the server, the role, settings). Migrations without a text, hooks and a seed are known by what `identity` says of them
 * alone; where it knows nothing of one, there is no fingerprint.
 *
 * @since 0.1.0
 * @category accessors
 */
export const fingerprint = <E, I extends string | undefined>(
  { migrations, seed }: Contents<E>,
  identity: (part: object) => I,
  given: ReadonlyArray<unknown>
): Effect.Effect<string | Extract<I, undefined>, MigrationError> =>
  Effect.map(migrations === undefined ? Effect.succeed([]) : nodesOf(migrations), (nodes) => {
    const loader = nodes.every((node) => node.checksum !== undefined) ? undefined : migrations?.loader
    const known: Array<string> = []
    for (const part of [migrations?.hooks, loader, seed]) {
      const name = part === undefined ? "" : identity(part)
      // Narrowed by the test, which the compiler does not carry over to the type parameter.
      if (name === undefined) return undefined as Extract<I, undefined>
      known.push(name)
    }
    const texts = nodes.map((node) => [node.id, node.name, node.kind, node.checksum, node.parents, node.dependsOn])
    return hash([library(), given, known, migrations?.table, migrations?.schema, texts])
  })

const nodesOf = (migrations: Migrator.Options) => Effect.map(graphOf(migrations), ({ nodes }) => nodes)
