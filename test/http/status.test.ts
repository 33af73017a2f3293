/** The status with which a database's failure is answered, for each of them. */
import { HttpServerRequest as Request } from "@effect/platform/HttpServerRequest"
import * as HttpServerRespondable from "@effect/platform/HttpServerRespondable"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { SqlError } from "@effect/sql/SqlError"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { DatabaseError } from "effect-aquifer"
import { DatabaseHttp } from "effect-aquifer/http"
import { serve } from "./support.js"

const details = { operation: "execute", reason: "what only the log may know", constraint: "secret_key" }
const unique = new DatabaseError.UniqueViolation(details)

const expected = {
  "409": ["UniqueViolation", "ForeignKeyViolation", "ExclusionViolation"],
  "422": ["NotNullViolation", "CheckViolation", "DataError"],
  "500": [
    "AuthenticationError",
    "AuthorizationError",
    "DatabaseNotFound",
    "SqlSyntaxError",
    "ReadOnlyError",
    "TransactionAborted",
    "TransactionClosed",
    "CommitUnknown",
    "UnsupportedError",
    "UnknownError"
  ],
  "503": [
    "ConnectionError",
    "TooManyConnections",
    "PoolTimeout",
    "PoolOverloaded",
    "PoolClosed",
    "SerializationError",
    "DeadlockError",
    "LockTimeoutError",
    "QueryCanceled",
    "StaleStatement",
    "ResourceError"
  ],
  "504": ["StatementTimeoutError"]
}

/** What a class needs besides its details does not decide its status. */
const make = (tag: string) => new DatabaseError.classes[tag as "DataError"](details)

describe("the status", () => {
  it("of each failure is the one RFC 9110 has for it", () => {
    const said: Record<string, Array<string>> = {}
    for (const tag of Object.keys(DatabaseError.classes).filter((tag) => tag !== "RetriesExhausted")) {
      const status = DatabaseHttp.statusOf(make(tag))
      said[status] = [...(said[status] ?? []), tag]
    }
    const sorted = (tags: Record<string, ReadonlyArray<string>>) =>
      Object.fromEntries(Object.entries(tags).map(([status, tags]) => [status, [...tags].sort()]))
    expect(sorted(said)).toEqual(sorted(expected))
  })

  it("of retries in vain is that of the last try", () => {
    const last = new DatabaseError.DeadlockError(details)
    const error = new DatabaseError.RetriesExhausted({ ...details, attempts: [unique, last], last })
    expect(DatabaseHttp.statusOf(error)).toBe(503)
  })
})

class OwnAnswer extends Data.TaggedError("OwnAnswer")<{ readonly cause: unknown }> {
  [HttpServerRespondable.symbol]() {
    return HttpServerResponse.empty({ status: 418 })
  }
}
class OwnWrapper extends Data.TaggedError("OwnWrapper")<{ readonly cause: unknown }> {}

describe("a failure", () => {
  const failing = <E>(error: E) => DatabaseHttp.answerErrors(Effect.fail(error))

  it.scopedLive("of the database is answered by its status alone, however wrapped; others as they would be", () =>
    Effect.gen(function* () {
      const wrapped = new SqlError({ cause: new DatabaseError.PoolClosed(details), message: "secret" })
      const lost = (sent: boolean) => new DatabaseError.ConnectionError({ ...details, phase: "statement", sent })
      for (const [error, status, retryAfter] of [
        [lost(false), 503, "1"],
        // Perhaps it was done.
        [lost(true), 503, undefined],
        [new DatabaseError.RetriesExhausted({ ...details, attempts: [], last: lost(true) }), 503, undefined],
        [new DatabaseError.RetriesExhausted({ ...details, attempts: [], last: lost(false) }), 503, "1"],
        [unique, 409, undefined],
        [wrapped, 503, "1"],
        [new OwnWrapper({ cause: wrapped }), 503, "1"],
        [new OwnAnswer({ cause: wrapped }), 418, undefined],
        [new OwnWrapper({ cause: "no database" }), 500, undefined]
      ] as const) {
        const call = yield* serve(failing(error))
        const answer = yield* call("/")
        expect([answer.status, answer.headers["retry-after"], answer.body]).toEqual([status, retryAfter, ""])
        expect(JSON.stringify(answer)).not.toMatch(/secret|only the log/)
      }
    })
  )

  it.effect("stays one: it can be caught around it, and the cause has all of it", () =>
    Effect.gen(function* () {
      const caught = yield* Effect.catchTag(failing(unique), "UniqueViolation", ({ constraint }) =>
        Effect.succeed(HttpServerResponse.text(constraint ?? ""))
      ).pipe(Effect.provideService(Request, undefined as never)) // nobody looks at it
      expect(caught.status).toBe(200)
      const cause = yield* Effect.flip(Effect.sandbox(failing(unique))).pipe(
        Effect.provideService(Request, undefined as never) // as above
      )
      expect([...Cause.failures(cause)]).toEqual([unique])
    })
  )
})
