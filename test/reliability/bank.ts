/**
 * The bank: fibers move money between accounts while the line, the back ends and the server fail, and keep a ledger of what
 * they were told became of each transfer. Afterwards the ledger is held against the tables. The transfers table has no
 * unique constraint on purpose: a transfer that was done twice must show, not fail.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { DatabaseError } from "effect-aquifer"
import { type Random, seeded } from "../support/proxyRandom.js"
import { query } from "../support/server.js"
import type { Transfer } from "./transfer.js"

/** What carries a transfer out. */
export type Teller = (transfer: Transfer) => Effect.Effect<unknown, unknown>

/** What the teller was told, or why it does not know. */
export type Told = "done" | "failed" | "unknown" | "died" | "interrupted"

interface Entry {
  told: Told
  /** The failure's tag. */
  why: string
  /** How often `booked` ran. */
  booked: number
}

export interface Terms {
  readonly seed: number
  readonly transfers: number
  readonly fibers: number
  readonly accounts: number
  /** Whether some transfers are interrupted on their way. */
  readonly interrupts: boolean
  /** Whether tellers run `booked`. */
  readonly books: boolean
}

/** A bank at work. */
export interface Bank {
  readonly terms: Terms
  readonly ledger: ReadonlyMap<number, Entry>
  /** Carries all transfers out. */
  readonly work: (teller: Teller) => Effect.Effect<void>
}

const opening = 1_000

/** Tables and accounts; everything SERIALIZABLE, also for those who do not say so. */
export const open = (url: string, terms: Terms) =>
  Effect.as(
    query(
      url,
      `CREATE TABLE accounts (id integer PRIMARY KEY, balance integer NOT NULL);
       INSERT INTO accounts SELECT n, ${opening} FROM generate_series(1, ${terms.accounts}) n;
       CREATE TABLE transfers (id integer NOT NULL, payer integer NOT NULL, payee integer NOT NULL, amount integer NOT NULL);
       DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$`
    ),
    make(terms)
  )

const make = (terms: Terms): Bank => {
  const ledger = new Map<number, Entry>()
  const random = seeded(terms.seed)
  const one = (id: number, teller: Teller) =>
    Effect.suspend(() => {
      const entry: Entry = { told: "interrupted", why: "", booked: 0 }
      const from = random.between(1, terms.accounts)
      const transfer: Transfer = {
        id,
        from,
        to: ((from + random.between(0, terms.accounts - 2)) % terms.accounts) + 1,
        amount: random.between(1, 20),
        declined: random.next() < 0.04,
        nested: random.next() < 0.2,
        booked: Effect.sync(() => {
          entry.booked++
        })
      }
      const cut = terms.interrupts && random.next() < 0.03 ? random.between(0, 12) : undefined
      return Effect.map(Effect.exit(attempted(teller(transfer), cut)), (exit) => {
        ledger.set(id, Object.assign(entry, told(exit)))
      })
    })
  return {
    terms,
    ledger,
    work: (teller) =>
      Effect.forEach(
        Array.from({ length: terms.transfers }, (_, index) => index + 1),
        (id) => one(id, teller),
        { concurrency: terms.fibers, discard: true }
      )
  }
}

/** Interrupted after `cut` milliseconds, whatever it is doing then. */
const attempted = <A, E>(effect: Effect.Effect<A, E>, cut: number | undefined): Effect.Effect<A, E> =>
  cut === undefined
    ? effect
    : Effect.flatMap(Effect.fork(effect), (fiber) =>
        Effect.flatMap(Effect.zipRight(Effect.sleep(cut), Fiber.interrupt(fiber)), (exit) => exit)
      )

const told = (exit: Exit.Exit<unknown, unknown>): Pick<Entry, "told" | "why"> => {
  if (Exit.isSuccess(exit)) return { told: "done", why: "" }
  const failure = Cause.failureOption(exit.cause)
  if (failure._tag === "Some") {
    const error = DatabaseError.find(failure.value)
    const last = error instanceof DatabaseError.RetriesExhausted ? `RetriesExhausted(${error.last._tag})` : error?._tag
    const why = last ?? (failure.value as { readonly _tag?: string })._tag ?? String(failure.value)
    return { told: why.includes("CommitUnknown") ? "unknown" : "failed", why }
  }
  if (Cause.isDie(exit.cause)) {
    return { told: "died", why: Cause.pretty(exit.cause).split("\n", 1)[0] ?? "" }
  }
  return { told: "interrupted", why: "" }
}

/** What the ledger says and the tables do not. Each list holds ids of transfers. */
export interface Violations {
  /** Reported done, and not there. */
  readonly lost: ReadonlyArray<number>
  /** There more than once. */
  readonly doubled: ReadonlyArray<number>
  /** Reported failed, and there. */
  readonly ghosts: ReadonlyArray<number>
  /** What follows a commit ran without one, twice, or not at all. */
  readonly misbooked: ReadonlyArray<number>
  /** Never told anything. */
  readonly untold: ReadonlyArray<number>
  /** Accounts whose balance is not what the transfers that are there make of it. */
  readonly unbalanced: ReadonlyArray<number>
  /** How much money came or went. */
  readonly difference: number
}

/** Holds the ledger against the tables. */
export const audit = (bank: Bank, url: string) =>
  Effect.gen(function* () {
    const there = new Map<number, number>()
    for (const { id, n } of yield* query(url, "SELECT id, count(*)::int AS n FROM transfers GROUP BY id")) {
      there.set(id, n)
    }
    const unbalanced = yield* query(
      url,
      `SELECT id FROM accounts WHERE balance <> ${opening}
         + coalesce((SELECT sum(amount) FROM transfers WHERE payee = accounts.id), 0)
         - coalesce((SELECT sum(amount) FROM transfers WHERE payer = accounts.id), 0)`
    )
    const sum = (yield* query(url, "SELECT sum(balance)::int AS sum FROM accounts"))[0]?.sum
    const ids = (wrong: (entry: Entry, rows: number) => boolean) =>
      [...bank.ledger].filter(([id, entry]) => wrong(entry, there.get(id) ?? 0)).map(([id]) => id)
    return {
      lost: ids(({ told }, rows) => told === "done" && rows === 0),
      doubled: ids((_, rows) => rows > 1),
      ghosts: ids(({ told }, rows) => (told === "failed" || told === "died") && rows > 0),
      misbooked: bank.terms.books
        ? ids(({ booked, told }, rows) => told !== "unknown" && booked !== Math.min(rows, 1))
        : [],
      untold: Array.from({ length: bank.terms.transfers }, (_, index) => index + 1).filter(
        (id) => !bank.ledger.has(id)
      ),
      unbalanced: unbalanced.map(({ id }) => id),
      difference: sum - opening * bank.terms.accounts
    } satisfies Violations
  })

/** No violation. */
export const sound: Violations = {
  lost: [],
  doubled: [],
  ghosts: [],
  misbooked: [],
  untold: [],
  unbalanced: [],
  difference: 0
}

/** How often what was told, and why what failed did. */
export const figures = (bank: Bank) => {
  const counts: Record<Told, number> = { done: 0, failed: 0, unknown: 0, died: 0, interrupted: 0 }
  const why: Record<string, number> = {}
  for (const entry of bank.ledger.values()) {
    counts[entry.told]++
    if (entry.why !== "") why[entry.why] = (why[entry.why] ?? 0) + 1
  }
  return { ...counts, why }
}

/** `random`, for whoever disturbs the bank, in another sequence than the transfers'. */
export const chance = (terms: Terms): Random => seeded(terms.seed ^ 0x5bd1e995)
