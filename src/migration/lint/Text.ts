/**
 * Places in a text: the grammar counts UTF-8 bytes, a string UTF-16 units, and people lines and code points.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export interface Place {
  readonly line: number
  readonly column: number
}

const width = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4)

/** From an offset in UTF-8 bytes to one in the string; a lone surrogate has the three bytes of U+FFFD. @since 0.1.0 @category constructors */
export const byteIndex = (text: string): ((byte: number) => number) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is asked is whether every character is ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return (byte) => Math.min(byte, text.length)
  // No character has more than three bytes per UTF-16 unit.
  const index = new Uint32Array(text.length * 3 + 1)
  let bytes = 0
  for (let i = 0; i < text.length; ) {
    const code = text.codePointAt(i) ?? 0
    index.fill(i, bytes, bytes + width(code))
    bytes += width(code)
    i += code > 0xffff ? 2 : 1
  }
  index[bytes] = text.length
  return (byte) => index[Math.min(byte, bytes)] ?? text.length
}

/** From an offset in code points to one in the string. @since 0.1.0 @category accessors */
export const pointIndex = (text: string, points: number): number => {
  let i = 0
  for (let n = 0; n < points && i < text.length; n++) i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1
  return i
}

/** From an offset in the string to line and column; the text's first line is `first`. @since 0.1.0 @category constructors */
export const placeOf = (text: string, first: number): ((index: number) => Place) => {
  const starts = [0]
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1)
  return (index) => {
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= index) low = middle
      else high = middle - 1
    }
    let column = 1
    for (let i = starts[low] ?? 0; i < index; column++) i += (text.codePointAt(i) ?? 0) > 0xffff ? 2 : 1
    return { line: first + low, column }
  }
}

/** The line of the text an offset is in. @since 0.1.0 @category accessors */
export const lineAt = (text: string, index: number): string => {
  const end = text.indexOf("\n", index)
  return text.slice(index === 0 ? 0 : text.lastIndexOf("\n", index - 1) + 1, end < 0 ? text.length : end).trim()
}
