/**
 * A proxy between a client and a PostgreSQL server on the loopback that does to the line whatever a network does, and
 * more exactly: it knows when a COMMIT passes and when its answer does. It counts what it did. Ends with its scope.
 */
import { createServer } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type CommitFault, type Counts, type LineFault, Link, type Plan } from "./proxyLink.js"

export type { CommitFault, Counts, LineFault, Link, Plan } from "./proxyLink.js"

/** Nothing happens. */
export const peace: Plan = { atCommit: () => undefined, atRequest: () => undefined }

export interface Proxy {
  /** The server of `url` by way of this proxy. */
  readonly through: (url: string) => string
  readonly counts: Counts
  /** The connections open at this moment. */
  readonly links: ReadonlySet<Link>
  /** Who decides what happens; may be changed at any time. */
  plan: Plan
  /** New connections are reset as soon as they come. */
  refusing: boolean
  /** Milliseconds the server's side of a lost or holed line stays open behind the client's; for ever by default. */
  linger: number
  /** Milliseconds of a `delay`, and bytes that pass before a `cut within`. */
  amount: (fault: LineFault) => number
  /** Does it to every connection open now. */
  readonly all: (fault: LineFault) => void
  /** The next COMMITs meet these, in order. */
  readonly next: (...faults: ReadonlyArray<CommitFault>) => void
  /** Keeps the next COMMIT in front of the server until it is let go. */
  readonly hold: () => { readonly arrived: Promise<void>; readonly release: () => void }
}

const nothing = (): Counts => ({
  "cut before": 0,
  "reset before": 0,
  "lose before": 0,
  "hole before": 0,
  sever: 0,
  "cut after": 0,
  "reset after": 0,
  "hole after": 0,
  cut: 0,
  reset: 0,
  lose: 0,
  hole: 0,
  delay: 0,
  "cut within request": 0,
  "cut within answer": 0,
  connections: 0,
  commits: 0,
  committed: 0,
  refused: 0
})

const atCommit: ReadonlyArray<CommitFault> = [
  "cut before",
  "reset before",
  "lose before",
  "hole before",
  "sever",
  "cut after",
  "reset after",
  "hole after"
]

/** Faults done so far: all of them, and those exactly at a COMMIT. */
export const faults = (counts: Counts) => {
  const commit = atCommit.reduce((sum, fault) => sum + counts[fault], 0)
  const line = ["cut", "reset", "lose", "hole", "delay", "cut within request", "cut within answer"] as const
  return { all: commit + line.reduce((sum, fault) => sum + counts[fault], 0), atCommit: commit }
}

const longest = 2 ** 31 - 1

/** A proxy in front of the server of `url`. */
export const proxy = (url: string): Effect.Effect<Proxy, Error, Scope.Scope> => {
  const target = new URL(url)
  const links = new Set<Link>()
  const counts = nothing()
  const queue: Array<CommitFault | Promise<void> | (() => Promise<void>)> = []
  const asked: Plan = {
    ...peace,
    atCommit: () => {
      const next = queue.shift()
      return typeof next === "function" ? next() : next
    }
  }
  const self = { plan: asked, refusing: false, linger: longest, amount: (_: LineFault): number => 100 }
  const around = {
    host: target.hostname,
    port: Number(target.port || 5432),
    counts,
    plan: () => self.plan,
    linger: () => self.linger,
    amount: (fault: LineFault) => self.amount(fault),
    gone: (link: Link) => links.delete(link)
  }
  const open = Effect.async<readonly [port: number, close: Effect.Effect<void>], Error>((resume) => {
    const server = createServer((socket) => {
      if (self.refusing) socket.resetAndDestroy()
      else links.add(new Link(socket, around))
    })
    server.on("error", (error) => resume(Effect.fail(error)))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (address === null || typeof address === "string") return resume(Effect.dieMessage("no port"))
      const close = Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const link of [...links]) link.destroy()
      })
      resume(Effect.succeed([address.port, close]))
    })
  })
  return Effect.map(
    Effect.acquireRelease(open, ([, close]) => close),
    ([port]): Proxy =>
      Object.assign(self, {
        through: (url: string) => {
          const changed = new URL(url)
          changed.hostname = "127.0.0.1"
          changed.port = String(port)
          return changed.href
        },
        counts,
        links,
        all: (fault: LineFault) => {
          for (const link of [...links]) link.fault(fault)
        },
        next: (...faults: ReadonlyArray<CommitFault>) => {
          queue.push(...faults)
        },
        hold: () => {
          let release = () => {}
          const released = new Promise<void>((resolve) => {
            release = resolve
          })
          const arrived = new Promise<void>((resolve) => {
            queue.push(() => {
              resolve()
              return released
            })
          })
          return { arrived, release }
        }
      })
  )
}
