/**
 * The tagged template. A literal whose arguments are plain values is compiled once per place in the program and client:
 * afterwards a statement is a look-up. Anything richer (fragments, helpers, identifiers) goes through upstream's own
 * compiler, so that every text is the one upstream would send. Without a tracer other than the default one no span is
 * made: nobody could see it, and it would cost more than the statement.
 *
 * @since 0.1.0
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { type Carrier, sqlError } from "../connection/Facade.js"
import type { Route } from "../connection/Route.js"
import { isTraced } from "../connection/Tracing.js"
import type { Reply, Request } from "../Dialect.js"
import { type DatabaseError, find } from "../model/DatabaseError.js"
import * as Repeated from "./Repeated.js"
import { summary } from "./Summary.js"

type Rows = ReadonlyArray<object>
type Transform = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

/** What a statement travels by: a session, or the pool. @since 0.1.0 @category models */
export interface Way extends Carrier {
  readonly script: (text: string) => Effect.Effect<ReadonlyArray<Reply>, DatabaseError>
  readonly told?: Route["told"] | undefined
}

/** What statements of one client have in common. @since 0.1.0 @category models */
export interface Parts {
  readonly compiler: Statement.Compiler
  /** The innermost session or route of the client, else its pool. */
  readonly way: (context: Context.Context<never>) => Way
  /** The same way; the span learns of the replica that answers there, if one does. Only the traced ask for it. */
  readonly told: (way: Way, span: Tracer.Span) => Way
  readonly isScript: (text: string) => boolean
  readonly attributes: ReadonlyArray<readonly [string, unknown]>
  readonly rows: Transform
  /** Whether anything is prepared by name. */
  readonly prepare: boolean
  /** Upstream's constructor over the same compiler: fragments, helpers, and what is richer than values. */
  readonly upstream: Statement.Constructor
}

/** How a statement is sent and its answer read. */
interface Form {
  readonly rows: Request["rows"]
  readonly named: boolean
  readonly plain: boolean
  readonly read: (reply: Reply, transform: Transform) => unknown
}

const objects: Form["read"] = ({ rows }, transform) => (transform === undefined ? rows : transform(rows))

const forms = {
  execute: { rows: "objects", named: true, plain: false, read: objects },
  raw: { rows: "objects", named: true, plain: true, read: ({ raw }) => raw },
  withoutTransform: { rows: "objects", named: true, plain: true, read: ({ rows }) => rows },
  values: { rows: "arrays", named: true, plain: false, read: ({ rows }) => rows },
  unprepared: { rows: "objects", named: false, plain: false, read: objects }
} as const satisfies Record<string, Form>

/** One place in the program. */
interface Site {
  readonly text: string
  /** Several statements in one text, which no driver prepares. */
  readonly script: boolean
}

/** A class: each statement has one, see `connection/Bag` for what becomes of literals. */
class Sent implements Request {
  constructor(
    readonly text: string,
    readonly params: ReadonlyArray<unknown>,
    readonly prepare: boolean,
    readonly rows: Request["rows"]
  ) {}
}

/** The statements of one client. */
class Desk {
  readonly sites = new WeakMap<TemplateStringsArray, Site>()
  readonly repeated = Repeated.make()
  constructor(
    readonly parts: Parts,
    readonly constructor_: () => Statement.Constructor
  ) {}

  /** The text of a template of values alone. */
  site(strings: TemplateStringsArray, args: ReadonlyArray<unknown>): Site {
    const known = this.sites.get(strings)
    if (known !== undefined) return known
    const [text] = this.parts.upstream(strings, ...args).compile()
    const site = { text, script: args.length === 0 && this.parts.isScript(text) }
    // What is not frozen was not made by the language, and may hold something else the next time.
    if (Object.isFrozen(strings)) this.sites.set(strings, site)
    return site
  }

  run<A>(statement: Compiled, form: Form): Effect.Effect<A, SqlError> {
    return Effect.withFiberRuntime<A, SqlError>((fiber) => this.runOn<A>(fiber, statement, form))
  }

  runOn<A>(fiber: Fiber.RuntimeFiber<unknown, unknown>, statement: Compiled, form: Form): Effect.Effect<A, SqlError> {
    const transformer = fiber.getFiberRef(Statement.currentTransformer)
    if (transformer._tag === "None" && !isTraced(fiber)) return this.send<A>(fiber, statement, form)
    return this.traced(statement, form, fiber)
  }

  /** The straight way. */
  send<A>(
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    statement: Statement.Statement<unknown>,
    form: Form,
    carrier = this.parts.way(fiber.currentContext)
  ): Effect.Effect<A, SqlError> {
    const { rows } = this.parts
    const site = statement instanceof Compiled ? statement.site : undefined
    const [text, params] =
      site === undefined ? statement.compile(form.plain) : [site.text, (statement as Compiled).params]
    if (site === undefined ? params.length === 0 && this.parts.isScript(text) : site.script) {
      return several(carrier, text, form) as Effect.Effect<A, SqlError>
    }
    const prepare = form.named && this.parts.prepare && (site !== undefined || this.repeated(text))
    const request = new Sent(text, params, prepare, form.rows)
    const sent = carrier.runNow === undefined ? carrier.run(request) : carrier.runNow(request, fiber)
    if (isDone(sent)) return Exit.succeed(form.read(sent.value, rows) as A)
    return Effect.mapBoth(sent, {
      onFailure: sqlError,
      onSuccess: (reply) => form.read(reply, rows) as A
    })
  }

  private traced<A>(
    statement: Compiled,
    form: Form,
    fiber: Fiber.RuntimeFiber<unknown, unknown>
  ): Effect.Effect<A, SqlError> {
    // The name must stand before a transformer has seen the statement.
    return Effect.useSpan(summary(statement.compile(form.plain)[0]).name, spanOptions, (span) =>
      Effect.flatMap(this.transformed(statement, fiber, span), (statement) => {
        this.describe(span, statement.compile(form.plain)[0])
        const way = this.parts.told(this.parts.way(fiber.currentContext), span)
        return Effect.onError(this.send<A>(fiber, statement, form, way), (cause) =>
          Effect.sync(() => blame(span, cause))
        )
      })
    )
  }

  private transformed(
    statement: Compiled,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    span: Tracer.Span
  ): Effect.Effect<Statement.Statement<unknown>> {
    const transformer = fiber.getFiberRef(Statement.currentTransformer)
    return transformer._tag === "None"
      ? Effect.succeed(statement)
      : transformer.value(statement, this.constructor_(), fiber.getFiberRefs(), span)
  }

  private describe(span: Tracer.Span, text: string) {
    for (const [key, value] of this.parts.attributes) span.attribute(key, value)
    const { name, table, verb } = summary(text)
    span.attribute("db.operation.name", verb)
    if (table !== undefined) span.attribute("db.collection.name", table)
    span.attribute("db.query.summary", name)
    span.attribute("db.query.text", text)
  }

  stream<A>(statement: Compiled): Stream.Stream<A, SqlError> {
    const { parts } = this
    const rows = (way: Way, statement: Statement.Statement<unknown>) => {
      const [text, params] = statement.compile()
      const prepare =
        parts.prepare && (statement instanceof Compiled && statement.site !== undefined ? true : this.repeated(text))
      return way.stream({ text, params, prepare, rows: "objects" })
    }
    const read = (stream: Stream.Stream<Rows, DatabaseError>) =>
      Stream.mapConcatChunk(Stream.mapError(stream, sqlError), (rows) =>
        // What a row holds is the statement's author's business.
        Chunk.unsafeFromArray((parts.rows === undefined ? rows : parts.rows(rows)) as unknown as ReadonlyArray<A>)
      )
    return Stream.unwrapScoped(
      Effect.withFiberRuntime<Stream.Stream<A, SqlError>, never, Scope.Scope>((fiber) => {
        if (fiber.getFiberRef(Statement.currentTransformer)._tag === "None" && !isTraced(fiber)) {
          return Effect.succeed(read(rows(parts.way(fiber.currentContext), statement)))
        }
        return Effect.flatMap(Effect.makeSpanScoped(summary(statement.compile()[0]).name, spanOptions), (span) =>
          Effect.map(this.transformed(statement, fiber, span), (statement) => {
            this.describe(span, statement.compile()[0])
            const way = parts.told(parts.way(fiber.currentContext), span)
            return Stream.tapErrorCause(read(rows(way, statement)), (cause) => Effect.sync(() => blame(span, cause)))
          })
        )
      })
    )
  }
}

/** Whether there is nothing to wait for. */
const isDone = <A, E>(effect: Effect.Effect<A, E>): effect is Exit.Success<A, never> =>
  Exit.isExit(effect) && effect._tag === "Success"

const spanOptions = { kind: "client", captureStackTrace: false } as const

const blame = (span: Tracer.Span, cause: Cause.Cause<SqlError>) => {
  const failure = Cause.failureOption(cause)
  const error = failure._tag === "Some" ? find(failure.value) : undefined
  if (error?.sqlState !== undefined) span.attribute("db.response.status_code", error.sqlState)
  const type = error?.sqlState ?? error?._tag ?? (Cause.isInterruptedOnly(cause) ? "interrupted" : "_OTHER")
  span.attribute("error.type", type)
}

/** Several statements in one text give an array of answers, as the stock client does. */
const several = (way: Way, text: string, { rows, read }: Form): Effect.Effect<unknown, SqlError> =>
  Effect.mapBoth(way.script(text), {
    onFailure: sqlError,
    onSuccess: (replies) =>
      replies.map((reply) => (rows === "arrays" ? reply.rows.map((row) => Object.values(row)) : read(reply, undefined)))
  })

/** A statement: upstream's interface, our way. */
class Compiled extends Effectable.Class<Rows, SqlError> implements Statement.Statement<object> {
  constructor(
    private readonly desk: Desk,
    /** Where only values were given. */
    readonly site: Site | undefined,
    readonly params: ReadonlyArray<unknown>,
    /** What upstream makes the same statement of, which for a site is done only when somebody asks; or what it made. */
    private readonly source: TemplateStringsArray | Statement.Statement<object>
  ) {
    super()
  }
  private get like(): Statement.Statement<object> {
    return "raw" in this.source && Array.isArray(this.source)
      ? this.desk.parts.upstream(this.source as unknown as TemplateStringsArray, ...this.params)
      : (this.source as Statement.Statement<object>)
  }
  get [Statement.FragmentId]() {
    return identity
  }
  get segments() {
    return this.like.segments
  }
  get withoutTransform() {
    return this.desk.run<Rows>(this, forms.withoutTransform)
  }
  get raw() {
    return this.desk.run<unknown>(this, forms.raw)
  }
  get values() {
    return this.desk.run<ReadonlyArray<ReadonlyArray<unknown>>>(this, forms.values)
  }
  get unprepared() {
    return this.desk.run<Rows>(this, forms.unprepared)
  }
  get stream() {
    return this.desk.stream<object>(this)
  }
  compile(withoutTransform?: boolean | undefined) {
    return this.site === undefined ? this.like.compile(withoutTransform) : ([this.site.text, this.params] as const)
  }
  /** Called by the fiber that runs it, each time it does: asking the runtime for that fiber would cost 0.2 us. */
  commit() {
    const fiber = Fiber.getCurrentFiber()
    return fiber._tag === "Some"
      ? this.desk.runOn<Rows>(fiber.value, this, forms.execute)
      : this.desk.run<Rows>(this, forms.execute)
  }
  toJSON() {
    const [sql, params] = this.compile()
    return { _id: "@effect/sql/Statement", segments: this.segments, sql, params }
  }
}

/** Neither a fragment nor a helper, whatever classes upstream makes those of. */
const isValue = (argument: unknown): boolean => {
  if (typeof argument !== "object") return typeof argument !== "function" && typeof argument !== "symbol"
  if (argument === null || Array.isArray(argument) || argument instanceof Date || ArrayBuffer.isView(argument))
    return true
  return Object.getPrototypeOf(argument) === Object.prototype && !(Statement.FragmentId in argument)
}

/** The constructor of a client's statements. @since 0.1.0 @category constructors */
export const make = (parts: Parts): Statement.Constructor => {
  const { upstream } = parts
  const desk: Desk = new Desk(parts, () => constructor)
  const compiled = (like: Statement.Statement<object>) => new Compiled(desk, undefined, [], like)
  const template = (strings: TemplateStringsArray | string, ...args: ReadonlyArray<unknown>) => {
    if (typeof strings === "string") return upstream(strings)
    for (const argument of args) if (!isValue(argument)) return compiled(upstream(strings, ...args))
    return new Compiled(desk, desk.site(strings, args), args, strings)
  }
  // Its overloads and helpers are upstream's; the two entries that make statements are ours.
  const constructor = Object.assign(template, upstream, {
    unsafe: (text: string, params?: ReadonlyArray<unknown>) => compiled(upstream.unsafe(text, params))
  }) as unknown as Statement.Constructor
  return constructor
}
