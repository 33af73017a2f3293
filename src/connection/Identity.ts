/**
 * What is known of the id the server gives a transaction when it first writes: by it the server is asked what became of a
 * COMMIT whose answer was lost. So nobody sends COMMIT before it is known, or known that there is none.
 *
 * @since 0.1.0
 */
import type { Text } from "./Texts.js"

/** @since 0.1.0 @category models */
export class Identity {
  /** None: nothing has been written, unless it is `missing`. */
  id: string | undefined
  /** How much was sent that may have written, and how much of it an answer has told of. */
  private sent = 0
  private told = 0
  /** The last text sent that may have brought it. */
  private last: Text | undefined

  /** Where nobody is to ask for it there is no `textOf`. */
  constructor(private readonly textOf: ((text: string) => Text) | undefined) {}

  /** Whether it is still to be asked for. */
  get asks(): boolean {
    return this.textOf !== undefined && this.id === undefined
  }

  /**
   * Whether it is asked for behind this text, which is about to be sent: 0, or what to `learn` with. Where transactions have
   * gone on behind it so far, the next statement asks for both and the server is spared one; where none follows after all,
   * `missing` says so, and this text asks ever after.
   */
  asksBehind(text: string): number {
    if (!this.asks) return 0
    const mark = this.mayHaveCome()
    this.last = this.textOf?.(text)
    return this.last?.goesOn === true ? 0 : mark
  }

  /** Something is sent that may write. */
  mayHaveCome(): number {
    if (this.last !== undefined) this.last.goesOn ??= true
    this.last = undefined
    return ++this.sent
  }

  /** What the server answered behind everything sent up to `mark`. */
  learn(id: string | undefined, mark: number): void {
    this.told = Math.max(this.told, mark)
    this.id ??= id
  }

  /** Whether it must be asked for before COMMIT: streams, scripts, abandoned statements, and texts that went on until now. */
  missing(): boolean {
    if (this.last !== undefined) this.last.goesOn = false
    this.last = undefined
    return this.told < this.sent && this.asks
  }
}
