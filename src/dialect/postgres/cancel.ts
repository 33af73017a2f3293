/**
 * A CancelRequest on a socket of its own, to the very peer the session talks to (behind a balancer another address may be another
 * server), through TLS where the session uses it. Done when the server has closed the socket: by then it has sent its signal.
 * Whether the statement heard it is the session's to await.
 *
 * @since 0.1.0
 */
import { connect, isIP, type Socket } from "node:net"
import { connect as secure } from "node:tls"
import type { Encryption } from "./tls.js"

/** Whom to ask, and in whose name. @since 0.1.0 @category models */
export interface CancelTarget {
  readonly peer: { readonly host: string; readonly port: number } | { readonly path: string }
  readonly encryption: Encryption
  /** The name the session was opened with: what a certificate is checked against. */
  readonly host: string
  readonly processID: number
  readonly secretKey: number | Buffer
}

/** The message: length, the code 1234 5678, the process, its key (4 bytes; up to 256 since protocol 3.2). */
const message = (target: CancelTarget): Buffer => {
  const key = typeof target.secretKey === "number" ? Buffer.alloc(4) : target.secretKey
  if (typeof target.secretKey === "number") key.writeInt32BE(target.secretKey)
  const head = Buffer.alloc(12)
  head.writeInt32BE(12 + key.length, 0)
  head.writeInt16BE(1234, 4)
  head.writeInt16BE(5678, 6)
  head.writeInt32BE(target.processID, 8)
  return Buffer.concat([head, key])
}

/** SSLRequest: length 8, the code 1234 5679. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** Sends it. `done` is called once, whatever happens; the answer stops it early. @since 0.1.0 @category constructors */
export const requestCancel = (target: CancelTarget, done: () => void): (() => void) => {
  let called = false
  const finish = () => {
    if (called) return
    called = true
    done()
  }
  const socket = connect("path" in target.peer ? { path: target.peer.path } : target.peer)
  // A cancel that cannot be delivered leaves the statement running: the session's own limit deals with that.
  const listen = (stream: Socket) => stream.on("error", () => socket.destroy())
  listen(socket)
  socket.on("close", finish)
  const send = (stream: Socket) => {
    listen(stream)
    stream.on("close", () => socket.destroy())
    stream.resume()
    stream.write(message(target))
  }
  socket.once("connect", () => {
    const encryption = target.encryption
    if (encryption === false) {
      send(socket)
      return
    }
    socket.write(sslRequest)
    socket.once("data", (answer) => {
      if (answer[0] !== 0x53) {
        socket.destroy()
        return
      }
      const servername = isIP(target.host) === 0 ? { servername: target.host } : {}
      const stream = secure({ socket, host: target.host, ...servername, ...encryption })
      listen(stream)
      stream.once("secureConnect", () => send(stream))
    })
  })
  return () => {
    socket.destroy()
  }
}
