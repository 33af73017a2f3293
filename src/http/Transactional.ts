/**
 * One transaction for each request. The response is the transaction's result, so it cannot be on its way before COMMIT was
 * answered; a request that fails, is refused or loses its client leaves nothing behind.
 *
 * @since 0.1.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { MultipartError } from "@effect/platform/Multipart"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"
import * as Transaction from "../transaction/Transaction.js"
import { answerErrors } from "./Status.js"

/** As `Transaction.run` takes them, and what only requests have. All optional. @since 0.1.0 @category models */
export interface Options extends Transaction.Options {
  /**
   * How transient failures are repeated. A repeated handler runs once more for the same request: whatever it does besides
   * this database it does twice. Therefore only GET, HEAD and OPTIONS, which ask for nothing to be done (RFC 9110, 9.2.1), are
   * repeated without being told to, as the configuration says; all others are not. The body can be read again by each run: it is
   * kept in memory, within the platform's `MaxBodySize`. `multipartStream` alone cannot.
   */
  readonly retry?: Transaction.Options["retry"]
  /** Which responses are worth a COMMIT; those below 400 when nothing is said. The others are sent after ROLLBACK. */
  readonly commitWhen?: ((response: Response) => boolean) | undefined
  /** `read only`: GET, HEAD and OPTIONS cannot write (`ReadOnlyError`), and on SQLite no longer wait for the one writer. */
  readonly safeMethods?: "read only" | undefined
}

/**
 * Runs each request in a transaction of its own (`Transaction.run`): COMMIT when the app succeeds with a response below 400,
 * ROLLBACK when it answers 400 or more, fails, dies, or is interrupted because the client went away. The response is sent once
 * COMMIT is known; what the database then says instead is the answer (`answerErrors`): a deferred constraint is a 409.
 *
 * For routes (`HttpRouter.use`) and apps, not for `HttpServer.serve`, whose middleware runs around the sending: there every
 * request is refused. So is a response whose body is a `Stream`, which would be read after the transaction: collect it,
 * or leave the route out. Each request takes a connection, whether it has a statement or not: leave health routes out, too.
 * The platform interrupts routes for a client that went away; an app that is no router goes on, and is committed. An
 * `HttpApi` wants a middleware that cannot fail: there `catchIf` what `isDatabaseError` and answer with its `statusOf`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const transactional =
  ({ commitWhen = succeeded, safeMethods, ...options }: Options = {}) =>
  <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E | DatabaseError, R | SqlClient.SqlClient> => {
    const body = Effect.flatMap(unanswered(app), (response): Effect.Effect<Response, UnsupportedError | Refused> => {
      if (response.body._tag === "Stream") return Effect.fail(streamed())
      return commitWhen(response) ? Effect.succeed(response) : Effect.fail(new Refused(response))
    })
    const answered = (
      request: HttpServerRequest.HttpServerRequest
    ): HttpApp.Default<E | DatabaseError, R | SqlClient.SqlClient> => {
      const safe = isSafe(request)
      const { access = safe ? safeMethods : undefined, retry = safe ? undefined : "never" } = options
      const run = (body: HttpApp.Default<E | UnsupportedError | Refused | Answered<E>, R>) =>
        Transaction.run(body, { ...options, access, retry })
      return Effect.catchAllCause(
        retry === "never"
          ? run(body)
          : Effect.flatMap(readAgain(request), (request) => run(Effect.provideService(body, Tag, request))),
        (cause): Effect.Effect<Response, E | DatabaseError> => {
          const failure = Option.getOrUndefined(Cause.failureOption(cause))
          if (failure instanceof Refused) return Effect.succeed(failure.response)
          // The rest of the union is not narrowed, because E might be anything.
          return Effect.failCause(
            failure instanceof Answered ? failure.cause : (cause as Cause.Cause<E | DatabaseError>)
          )
        }
      )
    }
    return answerErrors(unsent(Effect.flatMap(Tag, answered)))
  }

type Response = HttpServerResponse.HttpServerResponse

const Tag = HttpServerRequest.HttpServerRequest

/** A redirect is how a form that was stored is answered; what is not modified has not failed. */
const succeeded = ({ status }: Response): boolean => status < 400

const isSafe = ({ method }: HttpServerRequest.HttpServerRequest): boolean =>
  method === "GET" || method === "HEAD" || method === "OPTIONS"

/** How a response's transaction is told to roll back. */
class Refused {
  constructor(readonly response: Response) {}
}

/** A failure that something inside has answered (`answerErrors`); by its cause it is known whether another run may help. */
class Answered<E> {
  constructor(readonly cause: Cause.Cause<E>) {}
}

/** The answer behind a failure is a defect only in form, and a transaction with a defect is not run again. */
const unanswered = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E | Answered<E>, R> =>
  Effect.catchAllCause(app, (cause): Effect.Effect<never, E | Answered<E>> => {
    const defects = Array.from(Cause.defects(cause))
    return defects.length > 0 && defects.every(HttpServerResponse.isServerResponse) && Cause.isFailure(cause)
      ? Effect.fail(new Answered(cause))
      : Effect.failCause(cause)
  })

const streamed = () =>
  new UnsupportedError({
    operation: "commit",
    reason: "the response's body is a stream, which would be read after the end of its transaction",
    hint: "Collect it in the handler, or leave this route out of DatabaseHttp.transactional"
  })

/** A server's request reads its socket once: every further look is at what the first one found, from requests made of it too. */
const readAgain = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(Effect.cached(request.arrayBuffer), (arrayBuffer) => {
    let parts = 0
    const body: PropertyDescriptorMap = {
      arrayBuffer: { value: arrayBuffer },
      text: { value: Effect.map(arrayBuffer, (bytes) => new TextDecoder().decode(bytes)) },
      stream: { value: Stream.mapEffect(Stream.void, () => Effect.map(arrayBuffer, (bytes) => new Uint8Array(bytes))) },
      // It keeps what it has read by itself.
      multipart: { get: () => request.multipart },
      multipartStream: {
        value: Stream.suspend(() =>
          parts++ === 0
            ? request.multipartStream
            : Stream.fail(new MultipartError({ reason: "InternalError", cause: "an earlier run has read the parts" }))
        )
      }
    }
    const over = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest =>
      Object.create(request, {
        ...body,
        modify: {
          value: (options: Parameters<typeof request.modify>[0]) => over(request.modify(options))
        }
      })
    return over(request)
  })

/** Dies instead of letting the response out while `app` is still at work. */
const unsent = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
  Effect.suspend(() => {
    let state: "open" | "told" | "over" = "open"
    const guard: HttpApp.PreResponseHandler = (_, response) => {
      if (state === "over") return Effect.succeed(response)
      const told = state === "told" ? Effect.void : Effect.logError(misplaced)
      state = "told"
      return Effect.zipRight(told, Effect.dieMessage(misplaced))
    }
    const over = Effect.sync(() => {
      state = "over"
    })
    return Effect.zipRight(HttpApp.appendPreResponseHandler(guard), Effect.ensuring(app, over))
  })

const misplaced =
  "DatabaseHttp.transactional was given to HttpServer.serve, where a response is sent before COMMIT. Use it on routes (HttpRouter.use) or around the app"
