/**
 * The migration lock where no session can hold one: a row that is leased for 30 s, renewed every 5 s by a session of its
 * own while the revisions run, and taken over by whoever finds the lease run out. Each taking counts a token up; writes to
 * the ledger carry it, so a runner that was overtaken cannot write there any more. What DDL it had already sent is not
 * stopped by that.
 *
 * @since 0.1.0
 */
import * as os from "node:os"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Dialect, DriverConnection } from "../Dialect.js"
import * as Change from "../model/Change.js"
import type { DatabaseConfig } from "../model/DatabaseConfig.js"
import { ConnectionError, type DatabaseError, LockTimeoutError } from "../model/DatabaseError.js"
import * as LiveSchema from "../model/LiveSchema.js"
import * as Table from "../model/Table.js"

/** How long a lease lasts and how often it is renewed. @since 0.1.0 @category models */
export interface Terms {
  readonly lease: Duration.Duration
  readonly heartbeat: Duration.Duration
}

/** Six heartbeats may be lost before the lease is. @since 0.1.0 @category defaults */
export const usual: Terms = { lease: Duration.seconds(30), heartbeat: Duration.seconds(5) }

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Two who make the table at the same moment: one of them is told so, and there it is. */
const raced = new Set(["23505", "42P07", "42710"])

const held = (detail: string | undefined) =>
  new LockTimeoutError({ operation: "lock", reason: "another runner holds the migration lock", detail })

const overtaken = new ConnectionError({
  operation: "lock",
  phase: "idle",
  sent: false,
  reason: "the lease on the migration lock ran out and was taken over by another runner"
})

/** The name of the table beside a ledger. @since 0.1.0 @category accessors */
export const leaseTable = (name: string): { readonly schema: string | undefined; readonly table: string } => {
  const dot = name.indexOf(".")
  return { schema: dot < 0 ? undefined : name.slice(0, dot), table: `${name.slice(dot + 1)}_lock` }
}

/** That table as statements name it. @since 0.1.0 @category accessors */
export const leasePlace = (name: string): string => {
  const { schema, table } = leaseTable(name)
  return schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`
}

/**
 * A `migrationLock` of this kind. `rival` names who holds the lock in the product's other way; it is asked once the lease
 * is had, as that one looks at the lease once it has its lock, so that both cannot be had at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const leasedRow =
  (
    product: Pick<Dialect, "connect" | "ddl" | "placeholder"> & {
      readonly rival?:
        | ((own: DriverConnection, name: string) => Effect.Effect<string | undefined, DatabaseError>)
        | undefined
    },
    config: DatabaseConfig,
    { heartbeat, lease }: Terms = usual
  ): Dialect["migrationLock"] =>
  (own, name) =>
    Effect.gen(function* () {
      const { schema, table } = leaseTable(name)
      const at = leasePlace(name)
      const p = product.placeholder
      const until = `clock_timestamp() + interval '${Duration.toMillis(lease)} milliseconds'`
      const ask = (connection: DriverConnection, text: string, params: ReadonlyArray<unknown> = []) =>
        Effect.map(connection.run({ text, params, prepare: false, rows: "objects" }), (reply) => reply.rows)

      const take = `INSERT INTO ${at} AS held (id, holder, token, expires_at) VALUES (1, ${p(1)}, 1, ${until})
        ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, token = held.token + 1, expires_at = excluded.expires_at
        WHERE held.expires_at < clock_timestamp() RETURNING token`
      const holder = `SELECT holder, greatest(0, ceil(extract(epoch FROM expires_at - clock_timestamp())))::int4 AS left FROM ${at}`

      const definition = Table.definition(
        Table.make(
          table,
          {
            id: Table.int.pipe(Table.primaryKey),
            holder: Table.text,
            token: Table.bigint,
            expires_at: Table.timestamp
          },
          undefined,
          { schema }
        )
      )
      const create = Effect.forEach(
        product.ddl(Change.make.CreateTable({ table: definition, ifNotExists: true }), LiveSchema.empty),
        (text) => own.script(text),
        { discard: true }
      ).pipe(
        Effect.catchIf(
          (error: DatabaseError) => raced.has(error.sqlState ?? ""),
          () => Effect.void
        )
      )

      const who = `${config.applicationName} on ${os.hostname()}, process ${process.pid}`
      const taken = Effect.catchTag(ask(own, take, [who]), "SqlSyntaxError", () =>
        Effect.zipRight(create, ask(own, take, [who]))
      )
      // A conflict (CockroachDB answers one where PostgreSQL waits) means that somebody else was faster.
      const won = Effect.catchIf(
        taken,
        (error) => error.recovery === "restart",
        () => Effect.fail(held(undefined))
      )
      const token = yield* Effect.acquireRelease(
        Effect.flatMap(won, ([row]) =>
          row === undefined
            ? Effect.flatMap(ask(own, holder), ([other]) =>
                Effect.fail(
                  held(other === undefined ? undefined : `${other.holder} (its lease ends in ${other.left} s)`)
                )
              )
            : Effect.succeed(String(row.token))
        ),
        // Counted up, too: a renewal still on its way must not find the lease it was for.
        (token) =>
          Effect.suspend(() =>
            own.status() === "idle"
              ? Effect.ignore(
                  ask(
                    own,
                    `UPDATE ${at} SET token = token + 1, expires_at = clock_timestamp() - interval '1 second' WHERE token = ${p(1)}`,
                    [token]
                  )
                )
              : Effect.void
          )
      )

      const rival = yield* product.rival?.(own, name) ?? Effect.succeed(undefined)
      if (rival !== undefined) return yield* held(rival)

      let lost = false
      const renew = `UPDATE ${at} SET expires_at = ${until} WHERE token = ${p(1)} RETURNING token`
      const beat = (connection: DriverConnection) =>
        Effect.flatMap(Effect.timeout(ask(connection, renew, [token]), heartbeat), ([row]) =>
          Effect.sync(() => {
            lost ||= row === undefined
          })
        )
      // Whatever fails is begun again on another session: the lease outlasts several beats.
      const beating = Effect.scoped(
        Effect.flatMap(product.connect(config, "writer"), (connection) =>
          Effect.forever(Effect.zipRight(beat(connection), Effect.sleep(heartbeat)))
        )
      )
      yield* Effect.forkScoped(
        Effect.zipRight(
          Effect.sleep(heartbeat),
          Effect.forever(Effect.zipRight(Effect.ignore(beating), Effect.sleep(heartbeat)))
        )
      )
      // Locked until the ledger's transaction ends, so that nobody takes the lease over in between.
      const mine = `SELECT token FROM ${at} WHERE token = ${p(1)} AND expires_at > clock_timestamp() FOR UPDATE`
      return {
        fence: Effect.suspend(() =>
          lost
            ? Effect.fail(overtaken)
            : Effect.flatMap(ask(own, mine, [token]), ([row]) =>
                row === undefined ? Effect.fail(overtaken) : Effect.void
              )
        )
      }
    })
