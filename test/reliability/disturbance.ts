/**
 * What goes wrong around the bank: faults on the line at requests and exactly at COMMITs, spread by chance over the work so
 * that there are about as many as were asked for; back ends killed; the server crashed and started again.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { CommitFault, LineFault, Plan, Proxy } from "../support/proxy.js"
import type { Random } from "../support/proxyRandom.js"
import { query, type ScratchServer } from "../support/server.js"
import type { Bank } from "./bank.js"

/** Each as often as it stands there. */
export interface Menu {
  readonly atCommit: readonly [CommitFault, ...ReadonlyArray<CommitFault>]
  readonly atRequest: readonly [LineFault, ...ReadonlyArray<LineFault>]
}

/** A hole costs its transaction the whole patience of a statement: few of them. */
export const everything: Menu = {
  atCommit: [
    ...repeated(["cut before", "reset before", "lose before", "sever", "cut after", "reset after"] as const, 6),
    "hole before",
    "hole after"
  ],
  atRequest: [
    ...repeated(["cut", "reset", "lose", "delay", "cut within request", "cut within answer"] as const, 12),
    "hole"
  ]
}

/** What a client without any time limit survives. */
export const plainCuts: Menu = {
  atCommit: ["cut before", "reset before", "cut after", "reset after"],
  atRequest: ["cut", "reset"]
}

function repeated<A>(all: readonly [A, ...ReadonlyArray<A>], times: number): [A, ...Array<A>] {
  return [all[0], ...all.slice(1), ...Array.from({ length: times - 1 }, () => all).flat()]
}

/** How many times something happens before it meets the next fault, `average` on the average. */
const countdown = (random: Random, average: number) => {
  const draw = () => random.between(1, Math.max(1, Math.round(2 * average) - 1))
  let left = draw()
  return () => {
    if (--left > 0) return false
    left = draw()
    return true
  }
}

/** A plan that meets `transfers` transfers with at least `faults` faults, a tenth of them at COMMIT. */
export const plan = (random: Random, menu: Menu, transfers: number, faults: number): Plan => {
  const margin = 1.4
  // So much more than a tenth that chance cannot make it less in a small bank.
  const commitStrikes = countdown(random, transfers / ((faults / 10) * 2))
  // A transfer is some ten commands, BEGIN, questions for its id and repetitions included.
  const lineStrikes = countdown(random, (10 * transfers) / (faults * 0.9 * margin))
  return {
    atCommit: () => (commitStrikes() ? random.pick(menu.atCommit) : undefined),
    atRequest: (link) => {
      link.delay = 0
      return lineStrikes() ? random.pick(menu.atRequest) : undefined
    }
  }
}

/** Sets the proxy going. */
export const disturb = (proxy: Proxy, random: Random, menu: Menu, bank: Bank, faults: number): void => {
  proxy.linger = 500
  proxy.amount = (fault) => (fault === "delay" ? random.between(5, 30) : random.between(1, 150))
  proxy.plan = plan(random, menu, bank.terms.transfers, faults)
}

/** Kills a back end now and then, until it is interrupted; a server that is down has none. */
export const killBackEnds = (url: string, random: Random, count: { kills: number }) =>
  query(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`
  ).pipe(
    Effect.tap((rows) =>
      Effect.sync(() => {
        count.kills += rows.length
      })
    ),
    Effect.ignore,
    Effect.zipRight(Effect.suspend(() => Effect.sleep(random.between(100, 400)))),
    Effect.forever
  )

/** Crashes the server once the bank has come so far, and starts it again a moment later. */
export const crashAt = (bank: Bank, server: ScratchServer, part: number, random: Random) =>
  Effect.gen(function* () {
    yield* Effect.repeat(
      Effect.sync(() => bank.ledger.size),
      { until: (size) => size >= bank.terms.transfers * part, schedule: Schedule.spaced("10 millis") }
    )
    yield* server.crash
    yield* Effect.sleep(random.between(50, 500))
    yield* server.start
  })

/** All back ends of the database but one's own are gone: nobody can commit any more. */
export const quiet = (url: string) =>
  query(
    url,
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
  ).pipe(
    Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("back ends of the bank do not end") })
  )
