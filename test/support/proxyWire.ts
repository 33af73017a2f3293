/**
 * As much of PostgreSQL's wire protocol as a proxy needs to know when a COMMIT travels and when its answer does: messages
 * told apart, and of the client's the texts that are parsed, bound and executed. What it does not know it lets pass.
 */

/** One whole message; `type` is empty for those that have none (startup, and the answer to a request for TLS). */
export interface Message {
  readonly type: string
  readonly bytes: Buffer
}

const sslRequest = 80877103
const gssRequest = 80877104
const cancelRequest = 80877102

/** Cuts a stream of bytes into messages, whatever pieces it comes in. */
class Messages {
  private rest: Buffer = Buffer.alloc(0)

  /** How many bytes the next message has, and its type; nothing while that cannot be said. */
  protected head(rest: Buffer): readonly [length: number, type: string] | undefined {
    return rest.length < 5 ? undefined : [1 + rest.readInt32BE(1), String.fromCharCode(rest.readUInt8(0))]
  }

  /** Each message is read when it is asked for, so that what is known then is what stood before it. */
  *push(chunk: Buffer): Generator<Message, void> {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    for (;;) {
      const head = this.head(this.rest)
      if (head === undefined || this.rest.length < head[0]) return
      const message = { type: head[1], bytes: this.rest.subarray(0, head[0]) }
      this.rest = this.rest.subarray(head[0])
      this.read(message)
      yield message
    }
  }

  protected read(_: Message): void {}
}

const textAt = (bytes: Buffer, from: number): readonly [text: string, next: number] => {
  const end = bytes.indexOf(0, from)
  return [bytes.toString("utf8", from, end), end + 1]
}

const isCommit = (text: string | undefined): boolean => text !== undefined && /(^|;)\s*(commit|end)\b/i.test(text)

/** What the client says. */
export class ClientMessages extends Messages {
  /** Until the startup message has passed, messages have no type. */
  private started = false
  /** Answers of one byte still to come from the server. */
  bytesAwaited = 0
  /** A cancel request, which is no session. */
  cancels = false
  private readonly statements = new Map<string, string>()
  private readonly portals = new Map<string, string | undefined>()

  protected override head(rest: Buffer) {
    if (this.started) return super.head(rest)
    return rest.length < 8 ? undefined : ([rest.readInt32BE(0), ""] as const)
  }

  protected override read({ bytes, type }: Message): void {
    if (type === "") {
      const code = bytes.readInt32BE(4)
      if (code === sslRequest || code === gssRequest) this.bytesAwaited++
      else this.started = true
      this.cancels = code === cancelRequest
    } else if (type === "P") {
      const [name, next] = textAt(bytes, 5)
      this.statements.set(name, textAt(bytes, next)[0])
    } else if (type === "B") {
      const [portal, next] = textAt(bytes, 5)
      this.portals.set(portal, this.statements.get(textAt(bytes, next)[0]))
    }
  }

  /** Whether this message makes the server commit. Asked in order, right after the message was read. */
  commits({ bytes, type }: Message): boolean {
    if (type === "Q") return isCommit(textAt(bytes, 5)[0])
    if (type === "E") return isCommit(this.portals.get(textAt(bytes, 5)[0]))
    return false
  }
}

/** What the server says. */
export class ServerMessages extends Messages {
  constructor(private readonly client: ClientMessages) {
    super()
  }

  protected override head(rest: Buffer) {
    return this.client.bytesAwaited > 0 && rest.length > 0 ? ([1, ""] as const) : super.head(rest)
  }

  protected override read({ type }: Message): void {
    if (type === "") this.client.bytesAwaited--
  }
}

/** The answer to a COMMIT, if this is one: done, turned into a ROLLBACK, or refused. */
export const commitAnswer = ({ bytes, type }: Message): "committed" | "refused" | undefined => {
  if (type === "E") return "refused"
  if (type !== "C") return undefined
  const [tag] = textAt(bytes, 5)
  return tag === "COMMIT" ? "committed" : tag === "ROLLBACK" ? "refused" : undefined
}
