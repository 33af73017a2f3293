/**
 * The part of the driver this product uses, typed as it is (`pg` 8.23: `lib/client.js`, `lib/connection.js`). Types only, so that
 * the driver itself is loaded by `connect.ts` alone.
 *
 * @since 0.1.0
 */
import type { Socket } from "node:net"
import type { Wire as Value } from "./encode.js"
import type { Cells, Field } from "./rows.js"

/** The protocol's front end: each call writes one message. @since 0.1.0 @category models */
export interface Wire {
  readonly stream: Socket
  readonly parse: (query: { readonly name: string; readonly text: string }) => void
  readonly bind: (config: {
    readonly portal: string
    readonly statement: string
    readonly values: ReadonlyArray<Value>
  }) => void
  readonly describe: (what: { readonly type: "P" | "S"; readonly name: string }) => void
  readonly execute: (config: { readonly portal: string; readonly rows: number }) => void
  readonly close: (what: { readonly type: "P" | "S"; readonly name: string }) => void
  /** Asks for the answers so far. */
  readonly flush: () => void
  readonly sync: () => void
  readonly query: (text: string) => void
  readonly sendCopyFail: (reason: string) => void
  readonly endCopyFrom: () => void
  /** Writes Terminate and ends the socket. */
  readonly end: () => void
  readonly on: (event: "readyForQuery", listener: (message: { readonly status: string }) => void) => unknown
}

/** What the client calls on the query at the head of the pipeline. @since 0.1.0 @category models */
export interface Submittable {
  submit(wire: Wire): void
  handleRowDescription(message: { readonly fields: ReadonlyArray<Field> }): void
  handleDataRow(message: { readonly fields: Cells }): void
  handleCommandComplete(message: { readonly text: string }): void
  handleEmptyQuery(): void
  handlePortalSuspended(): void
  handleCopyInResponse(wire: Wire): void
  handleCopyData(message: { readonly chunk: Buffer }): void
  handleError(error: unknown): void
  handleReadyForQuery(): void
}

/** @since 0.1.0 @category models */
export interface Notification {
  readonly channel: string
  readonly payload?: string | undefined
}

/** A connected client. @since 0.1.0 @category models */
export interface WireClient {
  readonly connection: Wire
  readonly processID: number | null
  /** Four bytes as a number; newer protocols may keep more in a Buffer. */
  readonly secretKey: number | Buffer | null
  readonly query: (query: Submittable) => unknown
  readonly getTypeParser: (oid: number, format: "text") => (text: string) => unknown
  on(event: "error", listener: (error: unknown) => void): unknown
  on(event: "end", listener: () => void): unknown
  on(event: "notification", listener: (notification: Notification) => void): unknown
  off(event: "notification", listener: (notification: Notification) => void): unknown
}

/** The driver's own result, for whoever asks for the raw answer. @since 0.1.0 @category models */
export interface RawResult {
  command: string | null
  rowCount: number | null
  oid: number | null
  rows: ReadonlyArray<unknown>
  addFields(fields: ReadonlyArray<Field>): void
}

/** @since 0.1.0 @category models */
export type MakeRaw = (mode: "objects" | "arrays") => RawResult
