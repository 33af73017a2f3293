/**
 * What the command says without doing anything: about itself, or why it does nothing. Needs neither Effect nor a database.
 *
 * @since 0.1.0
 */
import process from "node:process"
import type { ExitCode } from "./codes.js"
import { concealed, prefix } from "./words.js"

/** @since 0.1.0 @category models */
export interface Answer {
  readonly _tag: "Answer"
  readonly code: ExitCode
  /** For standard error, line by line. */
  readonly complaints: ReadonlyArray<string>
  /** For standard output. */
  readonly result?: string | undefined
}

/** Whoever reads JSON finds it there whatever happens; people read standard error. @since 0.1.0 @category constructors */
export const failed = (code: number, messages: ReadonlyArray<string>): string =>
  JSON.stringify({ error: { code, messages } }, null, 2)

/** A failure's lines as they may be seen. @since 0.1.0 @category constructors */
export const failure = (code: ExitCode, lines: ReadonlyArray<string>, json: boolean): Answer => {
  const complaints = lines.map(concealed)
  const messages = complaints.map((text) => (text.startsWith(prefix) ? text.slice(prefix.length) : text))
  return { _tag: "Answer", code, complaints, result: json ? failed(code, messages) : undefined }
}

/** Whoever reads us may stop reading (`| head`): then there is nobody to tell. @since 0.1.0 @category running */
export const whenUnread = (end: () => void): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", end)
}

/** Says it and lets the process end. @since 0.1.0 @category running */
export const tell = ({ code, complaints, result }: Answer): void => {
  whenUnread(() => process.exit(1))
  for (const line of complaints) process.stderr.write(`${line}\n`)
  if (result !== undefined) process.stdout.write(`${result}\n`)
  process.exitCode = code
}
