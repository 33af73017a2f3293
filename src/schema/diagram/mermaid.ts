/**
 * A drawing as Mermaid's `erDiagram`. Its grammar (erDiagram.jison) is narrow and has no escapes: what a name may not hold is
 * written as the wide form of the same character, which looks alike and means nothing.
 *
 * @since 0.1.0
 */
import { type Attribute, type Drawing, distinct, type Relation } from "./entities.js"

/** What is never seen, and half of what is. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu

/** U+FF01 to U+FF5E are the printable characters of ASCII, wide. */
const wide = (character: string): string => String.fromCharCode(character.charCodeAt(0) + 0xfee0)

/**
 * In quotes. Besides what ends them: `%` begins comments, `#` and `;` entities, `<` markup, a backtick markdown, and a
 * direction is one wherever it stands.
 */
const quoted = (name: string): string =>
  name
    .replace(invisible, "_")
    .replace(/["%\\#;<>`]/g, wide)
    .replace(/direction\s+(?=tb|bt|rl|lr)/gi, "direction_")

/** Without quotes: an attribute's name or type. */
const word = (name: string): string => {
  const found = name
    .replace(invisible, "_")
    .replace(/\s/g, "_")
    .replace(/[!-~]/g, (c) => (/[\w\-[\]()]/.test(c) ? c : wide(c)))
    .replace(/[\u0080-\u00bf]/g, "_")
  return /^[A-Za-z_\u00c0-\uffff]/.test(found) && !/^(?:pk|fk|uk)(?!\w)/i.test(found) ? found : `_${found}`
}

const attribute = ({ marks, name, nullable, type }: Attribute): string =>
  [
    "   ",
    word(type),
    word(name),
    ...(marks.length === 0 ? [] : [marks.join(", ")]),
    ...(nullable ? ['"null"'] : [])
  ].join(" ")

/** The parent stands on the left. */
const line = ({ optional, single }: Relation): string => `${optional ? "|o" : "||"}--${single ? "o|" : "o{"}`

/** @since 0.1.0 @category rendering */
export const mermaid = ({ entities, relations }: Drawing): string => {
  const name = distinct(
    entities.map((one) => one.name),
    quoted
  )
  return [
    "erDiagram",
    ...entities.map((one) => [`  "${name(one.name)}" {`, ...one.attributes.map(attribute), "  }"].join("\n")),
    ...relations.map(
      (one) => `  "${name(one.parent)}" ${line(one)} "${name(one.child)}" : "${quoted(one.columns.join(", "))}"`
    )
  ]
    .map((part) => `${part}\n`)
    .join("")
}
