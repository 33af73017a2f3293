/**
 * One connection through the fault proxy: two sockets, and what is being done to what passes between them. Messages of the
 * protocol are forwarded whole and in order, so that a COMMIT can be stopped exactly in front of the server or behind it.
 */
import { connect, type Socket } from "node:net"
import { ClientMessages, commitAnswer, type Message, ServerMessages } from "./proxyWire.js"

/**
 * What happens to a COMMIT. `before`: it never reaches the server; `after`: the server has answered, and the answer never
 * reaches the client.
 *
 * - `cut`, `reset`: both sides see the line end (FIN, RST).
 * - `lose before`: the client sees it reset, the server sees nothing and sits in the transaction.
 * - `hole`: nobody sees anything any more.
 * - `sever`: the COMMIT goes on its way and the client's side is reset at once.
 */
export type CommitFault =
  | "cut before"
  | "reset before"
  | "lose before"
  | "hole before"
  | "sever"
  | "cut after"
  | "reset after"
  | "hole after"

/** What happens to a line at any time. `lose`: the client sees a reset, the server nothing. */
export type LineFault = "cut" | "reset" | "lose" | "hole" | "delay" | "cut within request" | "cut within answer"

/** Who decides. Asked for every COMMIT and for every other request as they pass; `undefined` lets it pass. */
export interface Plan {
  readonly atCommit: (link: Link) => CommitFault | Promise<void> | undefined
  readonly atRequest: (link: Link) => LineFault | undefined
}

/** How often each was done; `committed` and `refused` are what the server had answered when its answer was kept back. */
export type Counts = Record<CommitFault | LineFault | "connections" | "commits" | "committed" | "refused", number>

/** What links share. */
export interface Around {
  readonly host: string
  readonly port: number
  readonly plan: () => Plan
  readonly counts: Counts
  /** Milliseconds the server's side of a lost or holed line stays open behind the client's. */
  readonly linger: () => number
  /** Milliseconds of a `delay`, and bytes that pass before a `cut within`. */
  readonly amount: (fault: LineFault) => number
  readonly gone: (link: Link) => void
}

/** One direction's queue: what is written to the other side in order, perhaps later. */
class Way {
  private readonly queue: Array<() => void> = []
  private waiting = false

  constructor(private readonly late: () => number) {}

  do(work: () => void): void {
    if (!this.waiting && this.late() === 0) {
      work()
      return
    }
    this.queue.push(work)
    if (!this.waiting) this.wait()
  }

  /** Nothing passes until `over`. */
  hold(over: Promise<void>): void {
    this.waiting = true
    const go = () => {
      this.waiting = false
      this.next()
    }
    over.then(go, go)
  }

  private wait(): void {
    this.waiting = true
    setTimeout(() => {
      this.waiting = false
      this.next()
    }, this.late()).unref()
  }

  private next(): void {
    while (!this.waiting) {
      const work = this.queue.shift()
      if (work === undefined) return
      work()
      if (this.queue.length > 0 && this.late() > 0) this.wait()
    }
  }
}

export class Link {
  /** Milliseconds each piece is kept, in both directions. */
  delay = 0
  /** Nothing is forwarded, not even an end. */
  holed = false
  /** Bytes that may still pass before the line is cut, by direction. */
  allowance = { request: Number.POSITIVE_INFINITY, answer: Number.POSITIVE_INFINITY }

  private readonly server: Socket
  private readonly said = new ClientMessages()
  private readonly heard = new ServerMessages(this.said)
  private readonly up = new Way(() => this.delay)
  private readonly down = new Way(() => this.delay)
  private keepBack: "cut after" | "reset after" | "hole after" | undefined
  private over = false
  /** A client that is gone does not end a server's side that is meant to stay. */
  private lost = false

  constructor(
    private readonly client: Socket,
    private readonly around: Around
  ) {
    this.server = connect({ host: around.host, port: around.port })
    around.counts.connections++
    for (const socket of [client, this.server]) {
      socket.setNoDelay(true)
      socket.on("error", () => undefined)
    }
    client.on("data", (chunk) => this.fromClient(chunk))
    this.server.on("data", (chunk) => this.fromServer(chunk))
    client.on("close", () => this.clientGone())
    this.server.on("close", () => this.serverGone())
  }

  /** Does it now. */
  fault(fault: LineFault): void {
    this.around.counts[fault]++
    const amount = this.around.amount(fault)
    if (fault === "cut") this.end((socket) => socket.destroy())
    else if (fault === "reset") this.end((socket) => socket.resetAndDestroy())
    else if (fault === "lose") this.lose()
    else if (fault === "hole") this.holed = true
    else if (fault === "delay") this.delay = amount
    else if (fault === "cut within request") this.allowance.request = amount
    else this.allowance.answer = amount
  }

  /** The answer to the COMMIT on its way now meets this. */
  keepAnswer(fault: "cut after" | "reset after" | "hole after"): void {
    this.around.counts[fault]++
    this.keepBack = fault
  }

  /** Ends both sides for good. */
  destroy(): void {
    this.end((socket) => socket.destroy())
  }

  private fromClient(chunk: Buffer): void {
    for (const message of this.said.push(chunk)) {
      if (!this.over && !this.lost && !this.holed) this.request(message)
    }
  }

  private request(message: Message): void {
    if (this.said.commits(message)) {
      this.around.counts.commits++
      const fault = this.around.plan().atCommit(this)
      if (fault instanceof Promise) this.up.hold(fault)
      else if (fault !== undefined && !this.commit(fault)) return
    } else if (message.type === "Q" || message.type === "E") {
      const fault = this.around.plan().atRequest(this)
      if (fault !== undefined) this.fault(fault)
      if (this.over || this.lost || this.holed) return
    }
    this.up.do(() => this.forward(this.client, this.server, message.bytes, "request"))
    if (this.severs) this.lose()
  }

  private severs = false

  /** Whether the COMMIT goes on to the server. */
  private commit(fault: CommitFault): boolean {
    if (fault === "cut after" || fault === "reset after" || fault === "hole after") {
      this.keepAnswer(fault)
      return true
    }
    this.around.counts[fault]++
    switch (fault) {
      case "cut before":
        this.end((socket) => socket.destroy())
        return false
      case "reset before":
        this.end((socket) => socket.resetAndDestroy())
        return false
      case "lose before":
        this.lose()
        return false
      case "hole before":
        this.holed = true
        return false
      case "sever":
        this.severs = true
        return true
    }
  }

  private fromServer(chunk: Buffer): void {
    for (const message of this.heard.push(chunk)) {
      if (this.over || this.lost || this.holed) return
      const answer = this.keepBack === undefined ? undefined : commitAnswer(message)
      if (answer === undefined) this.down.do(() => this.forward(this.server, this.client, message.bytes, "answer"))
      else this.withhold(answer)
    }
  }

  private withhold(answer: "committed" | "refused"): void {
    this.around.counts[answer]++
    if (this.keepBack === "hole after") this.holed = true
    else if (this.keepBack === "reset after") this.end((socket) => socket.resetAndDestroy())
    else this.end((socket) => socket.destroy())
  }

  private forward(from: Socket, to: Socket, bytes: Buffer, way: "request" | "answer"): void {
    if (this.over || this.holed) return
    const left = this.allowance[way]
    if (left <= bytes.length) {
      this.holed = true
      to.write(bytes.subarray(0, left), () => this.destroy())
      return
    }
    this.allowance[way] = left - bytes.length
    if (to.write(bytes) || from.isPaused()) return
    from.pause()
    to.once("drain", () => from.resume())
  }

  private lose(): void {
    this.lost = true
    this.client.resetAndDestroy()
  }

  private clientGone(): void {
    if (this.over) return
    if (!this.lost && !this.holed) {
      this.up.do(() => this.server.end())
      return
    }
    this.lost = true
    setTimeout(() => this.destroy(), this.around.linger()).unref()
  }

  private serverGone(): void {
    if (this.over) return
    if (this.lost) this.destroy()
    else if (!this.holed) this.down.do(() => this.destroy())
  }

  private end(how: (socket: Socket) => void): void {
    if (this.over) return
    this.over = true
    how(this.client)
    how(this.server)
    this.around.gone(this)
  }
}
