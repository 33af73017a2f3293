/** The tagged template: the same texts as upstream's, compiled once per place; no span unless somebody could see it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { compiler } from "../../src/dialect/postgres/compiler.js"
import { lanes } from "../connection/laneSupport.js"
import { duplicate } from "../transaction/support.js"

const names = (name: string) => name.toLowerCase()

/** Ours on scripted connections, and upstream's constructor over the same compiler. */
const both = (options: Parameters<typeof lanes>[0] = {}) =>
  Effect.map(lanes(options, {}, { compiler: (options) => compiler(options) }), (world) => ({
    ...world,
    stock: Statement.make(
      Effect.die("never sent"),
      compiler({ names: options.transformQueryNames, json: options.transformJson }),
      [],
      undefined
    )
  }))

describe("a template", () => {
  it.scoped("of values alone compiles to upstream's text, and at the second use of a place is only looked up", () =>
    Effect.gen(function* () {
      const { sql, stock } = yield* both()
      const values = [1, "a", null, undefined, true, 1n, new Date(0), new Uint8Array(2), [1, 2], { a: 1 }]
      const make = (sql: Statement.Constructor, a: unknown, b: unknown) => sql`SELECT ${a}, 'x' || ${b} FROM t`
      for (const value of values) {
        assert.deepStrictEqual(make(sql, value, 7).compile(), make(stock, value, 7).compile())
      }
      assert.strictEqual(make(sql, 1, 2).compile()[0], make(sql, 3, 4).compile()[0])
    })
  )

  it.scoped("with fragments, helpers, identifiers and JSON compiles as upstream's, whatever their order", () =>
    Effect.gen(function* () {
      const { sql, stock } = yield* both({ transformQueryNames: names, transformJson: true })
      type Part = (sql: Statement.Constructor) => unknown
      const parts: ReadonlyArray<Part> = [
        () => 5,
        () => [1, 2],
        (sql) => sql("Name"),
        (sql) => sql.in([1, 2, 3]),
        (sql) => sql.in("Column", ["a"]),
        (sql) => sql.literal("now()"),
        (sql) => sql.insert([{ A: 1, B: "x" }]).returning("*"),
        (sql) => sql.update({ A: 1, B: 2 }, ["B"]),
        (sql) => sql.and([sql`a = ${1}`, "b"]),
        (sql) => sql.or([sql`a = ${1}`]),
        (sql) => sql.csv("ORDER BY", ["a", sql`b`]),
        (sql) => sql`nested ${1} ${sql("N")}`,
        (sql) => sql.onDialectOrElse({ pg: () => sql`pg`, orElse: () => sql`other` })
      ]
      FastCheck.assert(
        FastCheck.property(FastCheck.tuple(FastCheck.nat(), FastCheck.nat(), FastCheck.boolean()), ([i, j, plain]) => {
          const first = parts[i % parts.length] as Part
          const second = parts[j % parts.length] as Part
          const make = (sql: Statement.Constructor) => sql`A ${first(sql)} B ${second(sql)} C`
          const [ours, theirs] = [make(sql), make(stock)]
          assert.deepStrictEqual(ours.compile(plain), theirs.compile(plain))
          assert.deepStrictEqual(JSON.stringify(ours), JSON.stringify(theirs))
          assert.isTrue(Statement.isFragment(ours))
        }),
        { numRuns: 300 }
      )
    })
  )

  it.scoped("whose strings are not the language's own is compiled anew each time", () =>
    Effect.gen(function* () {
      const { sql } = yield* both()
      const strings = Object.assign(["SELECT ", ""], { raw: ["SELECT ", ""] })
      assert.strictEqual(sql(strings, 1).compile()[0], "SELECT $1")
      strings[0] = "VALUES "
      assert.strictEqual(sql(strings, 1).compile()[0], "VALUES $1")
    })
  )

  it.scoped("is a statement for whoever builds on it: a fragment, an effect, a value of its own", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* both()
      server.rows(/^SELECT/, [{ a: 1 }], 10)
      const part = sql`a = ${1}`
      assert.deepStrictEqual(sql`SELECT * FROM t WHERE ${part} AND ${part}`.compile(), [
        "SELECT * FROM t WHERE a = $1 AND a = $2",
        [1, 1]
      ])
      assert.deepStrictEqual(yield* sql`SELECT 1`.pipe(Effect.map((rows) => rows.length)), 1)
      assert.isTrue(Effect.isEffect(part))
    })
  )
})

describe("prepared by name", () => {
  const prepared = (requests: ReadonlyArray<{ readonly prepare: boolean }>) => requests.map(({ prepare }) => prepare)

  it.scoped("is a place in the program at once, a text made at run time from its second use", () =>
    Effect.gen(function* () {
      const { requests, sql } = yield* both()
      yield* sql`SELECT ${1}`
      yield* Effect.replicateEffect(sql.unsafe("SELECT 2"), 3)
      yield* sql`SELECT 3 WHERE a IN ${sql.in([1])}`
      yield* sql`SELECT 3 WHERE a IN ${sql.in([2])}`
      assert.deepStrictEqual(prepared(requests), [true, false, true, true, false, true])
    })
  )

  it.scoped("is nothing unprepared, nothing when the configuration says so, and no text too long to remember", () =>
    Effect.gen(function* () {
      const { requests, sql } = yield* both()
      yield* sql`SELECT 1`.unprepared
      const long = `SELECT '${"x".repeat(20_000)}'`
      yield* Effect.replicateEffect(sql.unsafe(long), 3)
      const off = yield* both({ prepare: false })
      yield* Effect.replicateEffect(off.sql`SELECT 1`, 3)
      assert.deepStrictEqual(prepared([...requests, ...off.requests]), Array(7).fill(false))
    })
  )

  it.scoped("texts that never come again drive none out that does", () =>
    Effect.gen(function* () {
      const { requests, sql } = yield* both()
      yield* sql.unsafe("SELECT again")
      for (let i = 0; i < 600; i++) yield* sql.unsafe(`SELECT ${i}`)
      yield* sql.unsafe("SELECT again")
      assert.strictEqual(prepared(requests).filter((one) => one).length, 1)
    })
  )
})

describe("several statements in one text", () => {
  it.scoped("go as a script and answer one list of rows each, as the stock client's do", () =>
    Effect.gen(function* () {
      const kind = (text: string) => (text.includes(";") ? "script" : "read")
      const { requests, server, sql } = yield* lanes({}, {}, { kind })
      assert.deepStrictEqual(yield* sql.unsafe("SELECT 1; SELECT 2"), [[], []] as never)
      assert.deepStrictEqual(yield* sql`SELECT 1; SELECT 2`.values, [[], []] as never)
      assert.deepStrictEqual(requests, [])
      assert.deepStrictEqual(server.texts.slice(0, 2), ["SELECT 1", "SELECT 2"])
      // With parameters no protocol has them.
      yield* sql`SELECT ${1}; SELECT 2`
      assert.strictEqual(requests.length, 1)
    })
  )
})

interface Seen {
  readonly span: Tracer.Span
  exit?: Exit.Exit<unknown, unknown>
}

const recorder = () => {
  const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)
  const seen: Array<Seen> = []
  const tracer = Tracer.make({
    ...native,
    span: (...args) => {
      const span = native.span(...args)
      const one: Seen = { span }
      seen.push(one)
      const end = span.end.bind(span)
      span.end = (at, exit) => {
        one.exit = exit
        end(at, exit)
      }
      return span
    }
  })
  return { seen, tracer }
}

const attributes = ({ span }: Seen) => Object.fromEntries(span.attributes)

describe("a span", () => {
  it.scoped("is named and described as OpenTelemetry has it, and holds no parameter's value", () =>
    Effect.gen(function* () {
      const { sql } = yield* both({ spanAttributes: { "service.part": "billing" } })
      const { seen, tracer } = recorder()
      yield* Effect.withTracer(sql`SELECT * FROM people WHERE name = ${"v4lue"}`, tracer)
      const [one, ...more] = seen
      assert.strictEqual(more.length, 0)
      assert.strictEqual(one?.span.name, "SELECT people")
      assert.strictEqual(one?.span.kind, "client")
      assert.deepStrictEqual(one && attributes(one), {
        "service.part": "billing",
        "db.system.name": "postgresql",
        "db.namespace": "scripted",
        "server.address": "localhost",
        "server.port": 5432,
        "db.operation.name": "SELECT",
        "db.collection.name": "people",
        "db.query.summary": "SELECT people",
        "db.query.text": "SELECT * FROM people WHERE name = $1"
      })
    })
  )

  it.scoped("tells the server's code and the type of a failure, for statements and streams", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* both()
      const { seen, tracer } = recorder()
      server.fail(/^INSERT/, duplicate(), 2)
      const statement = sql`INSERT INTO people VALUES (${1})`
      yield* Effect.withTracer(Effect.flip(statement), tracer)
      yield* Effect.withTracer(Effect.flip(Stream.runDrain(statement.stream)), tracer)
      assert.strictEqual(seen.length, 2)
      for (const one of seen) {
        assert.deepInclude(attributes(one), { "db.response.status_code": "23505", "error.type": "23505" })
        assert.isTrue(one.exit !== undefined && Exit.isFailure(one.exit))
      }
    })
  )

  it.scoped("stands in the place where it is: under the caller's, one for each form", () =>
    Effect.gen(function* () {
      const { sql } = yield* both()
      const { seen, tracer } = recorder()
      const statement = sql`SELECT 1`
      const forms = [statement, statement.values, statement.raw, statement.unprepared, statement.withoutTransform]
      const all = Effect.zipRight(Effect.all(forms, { discard: true }), Stream.runDrain(statement.stream))
      yield* Effect.withTracer(Effect.withSpan(all, "request"), tracer)
      const children = seen.filter(({ span }) => span.name === "SELECT")
      assert.strictEqual(children.length, 6)
      for (const { span } of children) {
        assert.strictEqual(
          Option.getOrThrow(span.parent)._tag === "Span" && (Option.getOrThrow(span.parent) as Tracer.Span).name,
          "request"
        )
      }
    })
  )

  it.scoped("is not made when nobody listens, or tracing is switched off", () =>
    Effect.gen(function* () {
      const { sql } = yield* both()
      const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)
      const made: Array<string> = []
      const span = native.span
      // The default tracer itself, watched.
      Object.assign(native, {
        span: (...args: Parameters<typeof span>) => {
          made.push(args[0])
          return span(...args)
        }
      })
      yield* Effect.ensuring(
        Effect.zipRight(sql`SELECT 1`, Stream.runDrain(sql`SELECT 2`.stream)),
        Effect.sync(() => Object.assign(native, { span }))
      )
      assert.deepStrictEqual(made, [])
      const { seen, tracer } = recorder()
      yield* sql`SELECT 1`.pipe(Effect.withTracerEnabled(false), Effect.withTracer(tracer))
      assert.strictEqual(seen.length, 0)
    })
  )
})

describe("a transformer", () => {
  it.scoped("sees every form of statement with a span, and what it makes of it is sent", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* both()
      const spans: Array<string> = []
      const transform: Statement.Statement.Transformer = (statement, constructor, _, span) => {
        spans.push(span.name)
        return Effect.succeed(constructor`${statement} /* seen */`)
      }
      const statement = sql`SELECT ${1}`
      const all = Effect.all([statement, statement.values, Stream.runDrain(statement.stream)], { discard: true })
      yield* Statement.withTransformer(all, transform)
      assert.deepStrictEqual(server.texts, Array(3).fill("SELECT $1 /* seen */"))
      assert.deepStrictEqual(spans, Array(3).fill("SELECT"))
      yield* Effect.provide(sql`SELECT 2`, Statement.setTransformer(transform))
      assert.strictEqual(server.texts.at(-1), "SELECT 2 /* seen */")
      yield* Statement.withTransformer(Statement.withTransformerDisabled(statement), transform)
      assert.strictEqual(server.texts.at(-1), "SELECT $1")
    })
  )
})

describe("rows", () => {
  it.scoped("are transformed where the options say so, and not by `withoutTransform`, `raw` or `values`", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* both({ transformResultNames: (name) => name.toUpperCase() })
      server.rows(/^SELECT/, [{ a: 1 }], 10)
      const statement = sql`SELECT 1`
      assert.deepStrictEqual(yield* statement, [{ A: 1 }])
      assert.deepStrictEqual(yield* statement.unprepared, [{ A: 1 }])
      assert.deepStrictEqual(yield* statement.withoutTransform, [{ a: 1 }])
      assert.deepStrictEqual(yield* sql.withoutTransforms()`SELECT 1`, [{ a: 1 }])
      assert.deepStrictEqual(yield* sql.safe`SELECT 1`, [{ A: 1 }])
    })
  )

  it.scoped("a client that is provided as a layer is the same client", () =>
    Effect.gen(function* () {
      const { server, sql } = yield* both()
      const program = Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.flip(sql`INSERT INTO t VALUES (1)`))
      server.fail(/INSERT/, duplicate())
      const error = yield* Effect.provide(program, Layer.succeed(SqlClient.SqlClient, sql))
      assert.instanceOf(error, SqlError)
    })
  )
})
