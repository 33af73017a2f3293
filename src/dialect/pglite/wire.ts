/**
 * The wire of a session inside this process: what the driver writes in one tick goes to the program as one message, and its
 * answers come back as if they had been read. The end of the wire is not the end of the program: open work is rolled back and
 * everything the session had is discarded.
 *
 * @since 0.1.0
 */
import { Duplex } from "node:stream"
import type { Program } from "./engine.js"

/** Terminate: for a server's process, and the program here is nobody's. */
const terminate = 0x58

/** A simple query's message. */
const message = (text: string): Buffer => {
  const bytes = Buffer.alloc(text.length + 6)
  bytes[0] = 0x51
  bytes.writeInt32BE(text.length + 5, 1)
  bytes.write(text, 5)
  return bytes
}

const goodbye = Buffer.concat([message("ROLLBACK"), message("DISCARD ALL")])

type Done = (error?: Error | null) => void

/** @since 0.1.0 @category models */
export class Wire extends Duplex {
  private sick = false

  constructor(
    private readonly program: Program,
    private readonly onBroken: (cause: unknown) => void
  ) {
    super()
  }

  // What the driver asks of a socket.
  connect(): this {
    queueMicrotask(() => this.emit("connect"))
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: Done): void {
    this.send(chunk, done)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: Done): void {
    this.send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: Done): void {
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    if (this.sick) {
      done(error)
      return
    }
    this.program.execProtocolRaw(goodbye).then(
      () => done(error),
      (cause) => {
        this.onBroken(cause)
        done(error)
      }
    )
  }

  private send(bytes: Buffer, done: Done): void {
    if (bytes[0] === terminate) {
      done()
      return
    }
    this.program.execProtocolRaw(bytes).then(
      (answer) => {
        if (answer.length > 0 && !this.destroyed) this.push(Buffer.from(answer))
        done()
      },
      (cause) => {
        this.sick = true
        this.onBroken(cause)
        done(cause instanceof Error ? cause : new Error("the PGlite program failed", { cause }))
      }
    )
  }
}
