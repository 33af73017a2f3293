/** What a tracer sees of a database: spans of statements and transactions with our attributes, and never a value. */
import * as SqlClient from "@effect/sql/SqlClient"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Database, DatabaseError, Transaction } from "effect-aquifer"
import { postgres, sqlite, sqliteMemory } from "../contract/products.js"

interface Seen {
  readonly name: string
  readonly parent: string | undefined
  readonly kind: Tracer.SpanKind
  readonly attributes: Map<string, unknown>
  readonly events: Array<string>
  failed?: boolean
}

/** A tracer that remembers, and what it remembers. */
const recorder = () => {
  const seen: Array<Seen> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const span: Seen = {
        name,
        parent: parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : undefined,
        kind,
        attributes: new Map(),
        events: []
      }
      seen.push(span)
      return {
        _tag: "Span",
        name,
        spanId: String(seen.length),
        traceId: "1",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes: span.attributes,
        links: [...links],
        sampled: true,
        kind,
        end: (_, exit) => {
          span.failed = exit._tag === "Failure"
        },
        attribute: (key, value) => {
          span.attributes.set(key, value)
        },
        event: (event) => {
          span.events.push(event)
        },
        addLinks: () => undefined
      }
    },
    context: (run) => run()
  })
  return { seen, tracer }
}

describe.each([sqlite, sqliteMemory, postgres])("$name", (product) => {
  it.scopedLive(
    "statements, streams and transactions have spans with the options' attributes and the standard ones",
    () =>
      Effect.gen(function* () {
        const { seen, tracer } = recorder()
        const options = { ...(yield* product.address), spanAttributes: { "service.part": "billing" } }
        const value = "v4lu3"
        const program = Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`SELECT ${value} AS a`
          yield* Stream.runDrain(sql`SELECT ${value} AS b`.stream)
          yield* Transaction.run(sql`SELECT ${value} AS c`, { name: "transfer" })
          yield* Effect.ignore(sql`SELECT ${value} FROM nowhere`)
        })
        yield* Effect.provide(Effect.withTracer(Effect.withSpan(program, "request"), tracer), Database.layer(options))
        const isStatement = ({ attributes }: Seen) => attributes.has("db.query.text")
        const spans = seen.filter((span) => isStatement(span) || span.name === "transfer")
        const told = spans.map((span) => [isStatement(span) ? "a statement" : span.name, span.parent, span.failed])
        expect(told).toEqual([
          ["a statement", "request", false],
          ["a statement", "request", false],
          ["transfer", "request", false],
          ["a statement", "transfer", false],
          ["a statement", "request", true]
        ])
        for (const span of spans) {
          expect(span.kind).toBe("client")
          expect(span.attributes.get("service.part")).toBe("billing")
        }
        for (const { attributes } of spans.filter(isStatement)) {
          expect(attributes.get("db.system.name")).toMatch(/^(postgresql|sqlite)$/)
          expect(attributes.get("db.namespace")).not.toBe(undefined)
          expect(attributes.get("db.query.text")).toMatch(/^SELECT (\$1|\?)/)
        }
        expect(JSON.stringify(seen.map(({ attributes, events }) => [...attributes, ...events]))).not.toContain(value)
      })
  )

  it.scopedLive("a transaction's span tells each attempt that failed", () =>
    Effect.gen(function* () {
      const { seen, tracer } = recorder()
      const conflict = new DatabaseError.SerializationError({ operation: "execute", reason: "lost" })
      const program = Transaction.run(
        Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.zipRight(sql`SELECT 1`, Effect.fail(conflict))),
        { retry: { maxRetries: 2, baseDelay: "1 millis" } }
      )
      yield* Effect.flip(Effect.provide(Effect.withTracer(program, tracer), Database.layer(yield* product.address)))
      const [transaction] = seen.filter(({ name }) => name === "sql.transaction")
      expect(transaction?.events).toEqual(Array(3).fill("transaction attempt failed"))
      expect(transaction?.failed).toBe(true)
    })
  )
})
