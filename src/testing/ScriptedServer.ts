/**
 * A database server made of a script: it keeps transactions and savepoints the way PostgreSQL does, records every text it
 * is sent, and does with those a rule names whatever the rule says: answer, fail, wait, lose the line. What it has really
 * committed is a list to be compared with what callers were told. Time passes only where a rule makes it.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fate } from "../Dialect.js"
import { type DatabaseError, SqlSyntaxError, TransactionAborted } from "../model/DatabaseError.js"

/**
 * Where a line is lost: before the message left (the client knows that), on its way (the client cannot know), or after the
 * server had done what it said.
 *
 * @since 0.1.0
 * @category models
 */
export type Loss = "unsent" | "undelivered" | "unanswered"

/** What becomes of a text. @since 0.1.0 @category models */
export type Answer =
  | { readonly _tag: "rows"; readonly rows: ReadonlyArray<unknown> }
  | { readonly _tag: "fail"; readonly error: DatabaseError }
  | { readonly _tag: "refuse"; readonly error: DatabaseError }
  | { readonly _tag: "die"; readonly defect: unknown }
  | { readonly _tag: "hold"; readonly hold: Hold }
  | { readonly _tag: "lose"; readonly loss: Loss }

/** A text the server keeps until it is told to go on. @since 0.1.0 @category models */
export interface Hold {
  /** Completes when the text has reached the server. */
  readonly arrived: Effect.Effect<void>
  /** Lets the server go on, with what it then does. */
  readonly release: Effect.Effect<void>
  /** What a cancel does: ends the statement, nothing, or comes too late to stop it. */
  readonly cancel: "ends" | "unheard" | "late"
  /** @internal */
  readonly gates: { readonly arrived: Deferred.Deferred<void>; readonly released: Deferred.Deferred<void> }
}

/** One thing that happened between a client and the server, in order. @since 0.1.0 @category models */
export interface Event {
  /** Sessions are counted from 1. */
  readonly session: number
  readonly what: "connect" | "send" | "fetch" | "cancel" | "ping" | "reset" | "destroy" | "lost"
  /** Texts that travelled in one message. */
  readonly texts: ReadonlyArray<string>
}

/** A whole text, a text that matches, or a predicate. @since 0.1.0 @category models */
export type Matcher = string | RegExp | ((text: string) => boolean)

interface Rule {
  readonly matches: (text: string) => boolean
  readonly answer: Answer
  left: number
}

/** What the server keeps of one session. @since 0.1.0 @category models */
export class Backend {
  status: "idle" | "open" | "failed" = "idle"
  transactionId: string | undefined
  writes: Array<string> = []
  savepoints: Array<{ readonly name: string; readonly writes: number }> = []
  constructor(readonly session: number) {}
}

const reads = /^\s*(select|values|show|table)\b/i

/** @since 0.1.0 @category models */
export class ScriptedServer {
  readonly events: Array<Event> = []
  /** Texts of writes that have been committed, in the order of their commits. */
  readonly committed: Array<string> = []
  /** Texts that ran outside any transaction. */
  readonly alone: Array<string> = []
  private readonly rules: Array<Rule> = []
  private readonly fates = new Map<string, Fate>()
  private ids = 700
  private connected = 0

  // --- the script

  private on(matcher: Matcher, answer: Answer, times: number): this {
    const matches =
      typeof matcher === "string"
        ? (text: string) => text === matcher
        : typeof matcher === "function"
          ? matcher
          : (text: string) => matcher.test(text)
    this.rules.push({ matches, answer, left: times })
    return this
  }

  /** The next `times` texts that match are answered with these rows. */
  rows(matcher: Matcher, rows: ReadonlyArray<unknown>, times = 1): this {
    return this.on(matcher, { _tag: "rows", rows }, times)
  }

  /** The next `times` texts that match fail; an open transaction fails with them. `CONNECT` matches the opening of a session. */
  fail(matcher: Matcher, error: DatabaseError, times = 1): this {
    return this.on(matcher, { _tag: "fail", error }, times)
  }

  /** The driver refuses to send the next text that matches (a value that cannot be sent): the server never hears of it. */
  refuse(matcher: Matcher, error: DatabaseError): this {
    return this.on(matcher, { _tag: "refuse", error }, 1)
  }

  /** The driver itself breaks: a bug, not an answer. */
  die(matcher: Matcher, defect: unknown): this {
    return this.on(matcher, { _tag: "die", defect }, 1)
  }

  /** The line is lost at the next `times` texts that match. */
  lose(matcher: Matcher, loss: Loss, times = 1): this {
    return this.on(matcher, { _tag: "lose", loss }, times)
  }

  /** The next text that matches waits until it is released, or ended by a cancel. */
  hold(matcher: Matcher, options?: { readonly cancel?: Hold["cancel"] }): Hold {
    const arrived = Effect.runSync(Deferred.make<void>())
    const released = Effect.runSync(Deferred.make<void>())
    const hold: Hold = {
      arrived: Deferred.await(arrived),
      release: Effect.asVoid(Deferred.succeed(released, undefined)),
      cancel: options?.cancel ?? "ends",
      gates: { arrived, released }
    }
    this.on(matcher, { _tag: "hold", hold }, 1)
    return hold
  }

  // --- what happened

  /** Every text sent, in order. */
  get texts(): ReadonlyArray<string> {
    return this.events.flatMap((event) => (event.what === "send" ? event.texts : []))
  }

  /** Every message sent: texts that travelled together stand together. */
  get messages(): ReadonlyArray<ReadonlyArray<string>> {
    return this.events.flatMap((event) => (event.what === "send" ? [event.texts] : []))
  }

  /** How often something happened. */
  count(what: Event["what"]): number {
    return this.events.filter((event) => event.what === what).length
  }

  // --- the server

  /** @internal */
  record(session: number, what: Event["what"], texts: ReadonlyArray<string> = []): void {
    this.events.push({ session, what, texts })
  }

  /** @internal */
  connect(): Backend {
    this.connected++
    this.record(this.connected, "connect")
    return new Backend(this.connected)
  }

  /** What the script has for a text, if anything. Takes it off the script. @internal */
  take(text: string): Answer | undefined {
    const rule = this.rules.find((rule) => rule.left > 0 && rule.matches(text))
    if (rule === undefined) return undefined
    rule.left--
    return rule.answer
  }

  /** Why the driver will not send these texts, if the script says so. @internal */
  refusal(texts: ReadonlyArray<string>): DatabaseError | undefined {
    const rule = this.rules.find(
      (rule) => rule.left > 0 && rule.answer._tag === "refuse" && texts.some((text) => rule.matches(text))
    )
    if (rule?.answer._tag !== "refuse") return undefined
    rule.left--
    return rule.answer.error
  }

  /** The session is gone: what it had open is rolled back. @internal */
  gone(backend: Backend): void {
    if (backend.status !== "idle") this.finish(backend, "aborted")
  }

  /** Says that the transaction `id` ended so, whatever the server did. */
  decide(id: string, fate: Fate): this {
    this.fates.set(id, fate)
    return this
  }

  private finish(backend: Backend, fate: "committed" | "aborted") {
    if (fate === "committed") this.committed.push(...backend.writes)
    if (backend.transactionId !== undefined) this.fates.set(backend.transactionId, fate)
    backend.status = "idle"
    backend.transactionId = undefined
    backend.writes = []
    backend.savepoints = []
  }

  /** The answer of a server nobody wrote a script for. @internal */
  execute(backend: Backend, text: string): Exit.Exit<{ tag: string; rows: ReadonlyArray<unknown> }, DatabaseError> {
    const words = text.trim().split(/\s+/)
    const verb = (words[0] ?? "").toUpperCase()
    const name = words.at(-1) ?? ""
    const back = verb === "ROLLBACK" && words.length > 1
    if (backend.status === "failed" && verb !== "COMMIT" && verb !== "ROLLBACK") {
      return Exit.fail(
        new TransactionAborted({
          operation: "execute",
          reason: "current transaction is aborted, commands ignored until end of transaction block",
          sqlState: "25P02"
        })
      )
    }
    const done = (tag = verb, rows: ReadonlyArray<unknown> = []) => Exit.succeed({ tag, rows })
    if (verb === "BEGIN") {
      backend.status = "open"
      return done()
    }
    if (verb === "COMMIT") {
      const failed = backend.status === "failed"
      this.finish(backend, failed ? "aborted" : "committed")
      return done(failed ? "ROLLBACK" : "COMMIT")
    }
    if (verb === "ROLLBACK" && !back) {
      this.finish(backend, "aborted")
      return done()
    }
    if (verb === "SAVEPOINT") {
      if (backend.status === "idle")
        return Exit.fail(wrong("SAVEPOINT can only be used in transaction blocks", "25P01"))
      backend.savepoints.push({ name, writes: backend.writes.length })
      return done()
    }
    if (verb === "RELEASE" || back) {
      const index = backend.savepoints.findLastIndex((savepoint) => savepoint.name === name)
      const savepoint = backend.savepoints[index]
      if (savepoint === undefined) return Exit.fail(wrong(`savepoint "${name}" does not exist`, "3B001"))
      backend.savepoints.splice(back ? index + 1 : index)
      if (back) {
        backend.writes.splice(savepoint.writes)
        backend.status = "open"
      }
      return done()
    }
    if (verb === "FATE") return done("SELECT", [{ fate: this.fates.get(name) ?? "aborted" }])
    if (backend.status === "idle") this.alone.push(text)
    if (!reads.test(text)) {
      if (backend.status === "idle") this.committed.push(text)
      else {
        backend.transactionId ??= String(++this.ids)
        backend.writes.push(text)
        if (!this.fates.has(backend.transactionId)) this.fates.set(backend.transactionId, "running")
      }
    }
    return done()
  }
}

const wrong = (reason: string, sqlState: string) => new SqlSyntaxError({ operation: "execute", reason, sqlState })
