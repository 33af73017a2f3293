/**
 * Every message of a run, refused, lost or cut: disk full, no permission, a syntax error, a line that breaks. Whatever is
 * refused and wherever, a run that says it succeeded has committed every revision with its row, once; one that fails says
 * so, and the next one finishes.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Change, DatabaseError, type Dialect, LiveSchema, Migration, MigrationError, Migrator } from "effect-aquifer"
import { ScriptedConnection } from "effect-aquifer/testing"
import * as Connections from "../../src/connection/Connections.js"
import { watch } from "../../src/migration/watch.js"

/** A server with a memory for the ledger: what has been committed is what the next SELECT answers. */
const dialect = (differs: Partial<Dialect.Dialect> = {}): Partial<Dialect.Dialect> => ({
  can: new Set(["cancel", "pipelining", "transactionalDdl"] as const),
  ddl: Change.match({
    CreateTable: () => ["CREATE LEDGER"],
    DropTable: () => [],
    RenameTable: () => [],
    AddColumn: () => [],
    DropColumn: () => [],
    RenameColumn: () => [],
    AlterColumn: () => [],
    AddConstraint: () => [],
    DropConstraint: () => [],
    CreateIndex: () => [],
    DropIndex: () => [],
    Comment: () => [],
    CreateEnum: () => [],
    AddEnumValue: () => [],
    DropEnum: () => [],
    Execute: () => []
  }),
  inspect: () => Effect.succeed(LiveSchema.empty),
  // Never a LIMIT, and no parameters: the script answers by texts alone.
  migrationLock: (own) => Effect.as(own.script("SELECT LOCK"), { fence: Effect.void, quiet: true }),
  ...differs
})

const sql = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))
const bodies = (transaction: boolean) => ({
  "1_a": Migration.make({ up: Effect.zipRight(sql("CREATE A1"), sql("CREATE A2")), transaction }),
  "2_b": Migration.make({ up: sql("CREATE B1"), transaction })
})
const texts = (transaction: boolean): Migrator.Loader =>
  Effect.succeed(
    [
      ["1", "a", ["CREATE A1", "CREATE A2"]],
      ["2", "b", ["CREATE B1"]],
      ["3", "c", ["CREATE C1"]]
    ].map(([id, name, all]) => ({
      id: id as string,
      name: name as string,
      kind: "sql" as const,
      checksum: "sum",
      dependsOn: [],
      load: Effect.succeed({
        transaction,
        up: { _tag: "sql" as const, statements: (all as ReadonlyArray<string>).map((text) => ({ text, line: 1 })) },
        down: undefined
      })
    }))
  )

const kinds: Readonly<Record<string, Migrator.Loader>> = {
  "SQL in transactions": texts(true),
  "SQL step by step": texts(false),
  "effects in transactions": Migrator.fromRecord(bodies(true)),
  "effects without": Migrator.fromRecord(bodies(false))
}

const refusals: Readonly<Record<string, DatabaseError.DatabaseError>> = {
  "disk full": new DatabaseError.ResourceError({
    operation: "execute",
    reason: "could not extend file: No space left on device",
    sqlState: "53100"
  }),
  "no permission": new DatabaseError.AuthorizationError({
    operation: "execute",
    reason: "permission denied",
    sqlState: "42501"
  }),
  "a syntax error": new DatabaseError.SqlSyntaxError({
    operation: "execute",
    reason: "syntax error",
    sqlState: "42601"
  })
}

/** `has`: revisions whose rows the ledger has before. */
const run = (
  loader: Migrator.Loader,
  meddle: (server: Server) => void = () => {},
  use: Effect.Effect<unknown, unknown, SqlClient.SqlClient> = Migrator.up({ loader }),
  has: ReadonlyArray<string> = []
) =>
  Effect.scoped(
    Effect.gen(function* () {
      // Nothing of the table but its name is looked at.
      const there = {
        ...LiveSchema.empty,
        tables: [{ name: "aquifer_migrations" }]
      } as unknown as LiveSchema.LiveSchema
      const inspect = () => Effect.succeed(has.length === 0 ? LiveSchema.empty : there)
      const { connections, server, sql } = yield* ScriptedConnection.make({}, dialect({ inspect }))
      meddle(server)
      const remembering = Connections.mark(
        Object.assign(
          (...args: ReadonlyArray<never>) => (sql as never as (...a: ReadonlyArray<never>) => unknown)(...args),
          sql
        ),
        {
          ...connections,
          run: (request) =>
            Effect.map(connections.run(request), (reply) => ({
              ...reply,
              rows: [[has.map((id, i) => `${id} sql sum applied 0 ${i + 1} []\u001fx\u001f`).join("\u001e") || null]]
            })),
          own: Effect.map(connections.own, (own) => remember(own, server, has))
        }
      )
      const exit = yield* Effect.exit(
        // Only the way to the connections is looked at, and what bodies send.
        Effect.provideService(use, SqlClient.SqlClient, remembering as unknown as typeof sql)
      )
      return { exit, server }
    })
  )

type Server = Effect.Effect.Success<ReturnType<typeof ScriptedConnection.make>>["server"]

/** Answers the ledger's SELECT with the rows that were committed as texts; the script itself keeps none. */
const remember = (
  own: Dialect.DriverConnection,
  server: Server,
  has: ReadonlyArray<string>
): Dialect.DriverConnection => ({
  ...watch(own).connection,
  run: (request) =>
    Effect.map(own.run(request), (reply) => {
      if (!/^SELECT .* FROM "aquifer_migrations"/.test(request.text)) return reply
      const row = (id: string, name: string, sequence: number) => ({
        id,
        name,
        kind: "sql",
        checksum: "sum",
        parents: "[]",
        state: "applied",
        origin: "run",
        step: 0,
        sequence,
        finished_at: null
      })
      const rows = [
        ...has.flatMap((id, i) => {
          const gone = server.committed.some((text) =>
            text.includes(`DELETE FROM "aquifer_migrations" WHERE "id" = '${id}'`)
          )
          return gone ? [] : [row(id, "x", i + 1)]
        }),
        ...server.committed.flatMap((text) => {
          const [, id, name] = /^\s*INSERT INTO "aquifer_migrations" .* VALUES \('(\w+)', '(\w+)'/.exec(text) ?? []
          return id === undefined || name === undefined ? [] : [row(id, name, 1)]
        })
      ]
      return { ...reply, rows }
    })
})

/** What the server keeps: bodies, and how often a row was written. */
const kept = (server: Server) => {
  const committed = server.committed.map((text) => text.trim())
  const made = committed.filter((text) => /^CREATE [ABC]\d$/.test(text))
  const inserts = committed.filter((text) => text.startsWith("INSERT INTO"))
  return { made, inserts }
}

describe.each(Object.entries(kinds))("%s", (_, loader) => {
  it.live("undisturbed, everything is committed once, with its row", () =>
    Effect.gen(function* () {
      const { exit, server } = yield* run(loader)
      expect(Exit.isSuccess(exit)).toBe(true)
      const { inserts, made } = kept(server)
      expect(new Set(made).size).toBe(made.length)
      expect(made.length).toBeGreaterThanOrEqual(3)
      expect(inserts).toHaveLength(made.includes("CREATE C1") ? 3 : 2)
    })
  )

  for (const [what, error] of Object.entries(refusals)) {
    it.live(`${what} at any statement: never success with something missing, never anything twice`, () =>
      Effect.gen(function* () {
        const undisturbed = (yield* run(loader)).server
        const all = kept(undisturbed)
        const count = undisturbed.texts.length
        let failures = 0
        for (let at = 0; at < count; at++) {
          let seen = 0
          const { exit, server } = yield* run(loader, (server) => {
            server.fail(() => seen++ === at, error)
          })
          const { inserts, made } = kept(server)
          expect(new Set(made).size, `twice, at ${at}`).toBe(made.length)
          if (Exit.isSuccess(exit)) {
            expect(made, `at ${at}: ${undisturbed.texts[at]}`).toEqual(all.made)
            expect(inserts.length, `at ${at}`).toBe(all.inserts.length)
          } else {
            failures++
            const failure = exit.cause._tag === "Fail" ? exit.cause.error : undefined
            expect(
              failure instanceof MigrationError.MigrationError || DatabaseError.isDatabaseError(failure),
              `at ${at} (${undisturbed.texts[at]}): ${String(exit)}`
            ).toBe(true)
          }
        }
        // Without the lock, the ledger and a look at it nothing is gone on with.
        expect(failures).toBeGreaterThanOrEqual(3)
      })
    )
  }

  it.live("a line lost at any statement: what was committed is in the ledger, what was not is not", () =>
    Effect.gen(function* () {
      const count = (yield* run(loader)).server.texts.length
      for (let at = 0; at < count; at++) {
        for (const loss of ["undelivered", "unanswered"] as const) {
          let seen = 0
          const { exit, server } = yield* run(loader, (server) => {
            server.lose(() => seen++ === at, loss)
          })
          const { inserts, made } = kept(server)
          expect(new Set(made).size, `twice, at ${at}`).toBe(made.length)
          // In transactions, a body and its row are there together or not at all.
          if (
            server.alone.every((text) => !/^CREATE [ABC]\d$/.test(text)) &&
            !server.texts.some((t) => t.includes("step"))
          ) {
            expect(inserts.length, `at ${at}, ${loss}`).toBe(new Set(made.map((text) => text.charAt(7))).size)
          }
          // The release of the lock and the goodbye may fail unheard.
          if (Exit.isSuccess(exit)) expect(inserts.length).toBeGreaterThanOrEqual(2)
        }
      }
    })
  )
})

/** What else writes the ledger: what is done of it when all goes well, and how often. */
const others: Readonly<Record<string, readonly [use: (loader: Migrator.Loader) => Use, write: RegExp, count: number]>> =
  {
    "the way back": [(loader) => Migrator.down({ loader, to: "base" }), /^(?:DELETE FROM|DROP [ABC]\d$)/, 6],
    stamp: [(loader) => Migrator.stamp("head", { loader, purge: true }), /^(?:DELETE FROM|INSERT INTO)/, 6],
    repair: [(loader) => Migrator.repair({ loader, forget: ["1", "2", "3"] }), /^DELETE FROM/, 3]
  }
type Use = Effect.Effect<unknown, unknown, SqlClient.SqlClient>

describe.each(Object.entries(others))("%s", (what, [use, write, count]) => {
  const loader: Migrator.Loader = Effect.map(texts(true), (all) =>
    all.map((one, i) => ({
      ...one,
      load: Effect.map(one.load, (loaded) => ({
        ...loaded,
        down: { _tag: "sql" as const, statements: [{ text: `DROP ${"ABC"[i]}1`, line: 1 }] }
      }))
    }))
  )
  const go = (meddle?: (server: Server) => void) => run(loader, meddle, use(loader), ["1", "2", "3"])
  const done = (server: Server) => server.committed.map((text) => text.trim()).filter((text) => write.test(text))

  it.live("undisturbed, all of it is committed", () =>
    Effect.gen(function* () {
      const { exit, server } = yield* go()
      expect(Exit.isSuccess(exit), String(exit)).toBe(true)
      expect(done(server)).toHaveLength(count)
    })
  )

  for (const [which, error] of Object.entries(refusals)) {
    it.live(`${which} at any statement: success only when all of it is committed, else a typed failure`, () =>
      Effect.gen(function* () {
        const steps = (yield* go()).server.texts.length
        let failures = 0
        for (let at = 0; at < steps; at++) {
          let seen = 0
          const { exit, server } = yield* go((server) => server.fail(() => seen++ === at, error))
          const all = done(server)
          if (Exit.isSuccess(exit)) expect(all, `at ${at}`).toHaveLength(count)
          else {
            failures++
            const failure = exit.cause._tag === "Fail" ? exit.cause.error : undefined
            expect(failure instanceof MigrationError.MigrationError || DatabaseError.isDatabaseError(failure)).toBe(
              true
            )
            // A person's word holds as a whole; revisions one by one, each with its row.
            if (what !== "the way back") expect(all, `at ${at}`).toEqual([])
            expect(all.filter((text) => text.startsWith("DROP")).length * 2).toBe(
              what === "the way back" ? all.length : 0
            )
          }
        }
        expect(failures).toBeGreaterThanOrEqual(3)
      })
    )
  }
})
