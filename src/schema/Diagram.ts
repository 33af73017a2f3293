/**
 * Tables and what refers to what, drawn.
 *
 * @since 0.1.0
 */
import type { LiveSchema } from "../model/LiveSchema.js"
import type { DatabaseSchema } from "./Declared.js"
import { dot } from "./diagram/dot.js"
import { drawing } from "./diagram/entities.js"
import { mermaid } from "./diagram/mermaid.js"

/** Mermaid's `erDiagram`, or Graphviz's DOT. @since 0.1.0 @category models */
export type Format = "mermaid" | "dot"

/**
 * A diagram of declared tables, or of what `inspect` found (without ledgers): every column with its type, whether it belongs to
 * the primary key, refers to another table or is unique by itself, and whether it may be NULL; every reference with how many
 * may stand at its ends. The same schema gives the same text.
 *
 * @since 0.1.0
 * @category conversions
 */
export const diagram = (
  schema: DatabaseSchema | LiveSchema,
  options: { readonly format?: Format | undefined } = {}
): string => (options.format === "dot" ? dot : mermaid)(drawing(schema))
