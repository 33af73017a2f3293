/**
 * How a word is made to stand out on a terminal.
 *
 * @since 0.1.0
 */

/** All identities without colours. @since 0.1.0 @category models */
export type Style = Readonly<Record<"bold" | "dim" | "green" | "yellow" | "red", (text: string) => string>>

const painted = (code: number, end: number) => (text: string) => `\u001b[${code}m${text}\u001b[${end}m`

const colours: Style = {
  bold: painted(1, 22),
  dim: painted(2, 22),
  green: painted(32, 39),
  yellow: painted(33, 39),
  red: painted(31, 39)
}

const same = (text: string): string => text

const plain: Style = { bold: same, dim: same, green: same, yellow: same, red: same }

/** Colours are for people at a terminal who have not refused them. @since 0.1.0 @category constructors */
export const styleOf = (out: { readonly isTTY?: boolean | undefined }, noColor: boolean): Style =>
  out.isTTY === true && !noColor ? colours : plain
