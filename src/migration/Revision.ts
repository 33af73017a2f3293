/**
 * One revision as it is known without running or even importing it: what its file's name and header comment say, and a
 * checksum of its text. `load` gives its two directions when they are about to be run.
 *
 * @since 0.1.0
 */
import * as crypto from "node:crypto"
import type * as Effect from "effect/Effect"
import type { Migration, Services } from "../model/Migration.js"
import type { MigrationError } from "../model/MigrationError.js"
import type { Statement } from "./SqlFile.js"

/** Checksums are compared only within a kind. @since 0.1.0 @category models */
export type Kind = "sql" | "ts" | "js" | "effect"

/** What is to be run. @since 0.1.0 @category models */
export type Body =
  | { readonly _tag: "effect"; readonly effect: Effect.Effect<unknown, unknown, Services> }
  | {
      readonly _tag: "sql"
      readonly statements: ReadonlyArray<Statement>
      /** The section they were cut from. */
      readonly source?: Statement | undefined
    }

/** Both directions of a revision. @since 0.1.0 @category models */
export interface Loaded {
  readonly transaction: boolean
  readonly up: Body
  readonly down: Body | undefined
}

/** @since 0.1.0 @category models */
export interface Revision {
  readonly id: string
  readonly name: string
  readonly kind: Kind
  /** Of the text with LF line ends; none for a revision that has no text. */
  readonly checksum?: string | undefined
  readonly file?: string | undefined
  /** The revisions it follows; not said: the one before it in the order of names; empty: none. */
  readonly revises?: ReadonlyArray<string> | undefined
  /** Revisions that must be applied before it without being its parents. */
  readonly dependsOn: ReadonlyArray<string>
  /** What another tool's ledger calls it. */
  readonly adopts?: ReadonlyArray<string> | undefined
  readonly load: Effect.Effect<Loaded, MigrationError>
}

/** A migration made by `Migration.make`, ready to run. @since 0.1.0 @category conversions */
export const fromMigration = (migration: Migration): Loaded => ({
  transaction: migration.transaction,
  up: { _tag: "effect", effect: migration.up },
  down: migration.down === undefined ? undefined : { _tag: "effect", effect: migration.down }
})

/** SHA-256 of the text, the same on every system's line ends. @since 0.1.0 @category accessors */
export const checksum = (text: string): string => {
  const bare = text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text
  return sha256(bare.includes("\r") ? bare.replace(/\r\n?/g, "\n") : bare)
}

const byteOrderMark = 0xfeff

/** In one call where this Node has that: a third of the time, hundreds of times at every start. */
const sha256: (text: string) => string =
  typeof crypto.hash === "function"
    ? (text) => crypto.hash("sha256", text)
    : (text) => crypto.createHash("sha256").update(text).digest("hex")

/** @since 0.1.0 @category models */
export interface Header {
  readonly revises: ReadonlyArray<string> | undefined
  readonly dependsOn: ReadonlyArray<string>
  readonly adopts: ReadonlyArray<string>
  readonly transaction: boolean
}

const line = /^\s*(?:--|\/\/|\*|\/\*+)\s*(revises|depends-on|adopts|transaction)\s*:\s*(.*?)\s*(?:\*\/)?\s*$/i
const comment = /^\s*(?:--|\/\/|\/?\*|$)/

const none: ReadonlyArray<string> = []
const list = (text: string | undefined): ReadonlyArray<string> =>
  text === undefined || text === ""
    ? none
    : text.split(/[\s,]+/).filter((part) => part !== "" && part !== "base" && part !== "none")

/** Most have none: what is looked for line by line is looked for in the whole text first. */
const mayHaveHeader = /revises|depends-on|adopts|transaction/i
const noHeader: Header = { revises: undefined, dependsOn: none, adopts: none, transaction: true }

/** What stands in the comments above the first line of code. @since 0.1.0 @category constructors */
export const header = (text: string): Header => {
  if (!mayHaveHeader.test(text)) return noHeader
  const found = new Map<string, string>()
  for (const one of text.replace(/^\uFEFF/, "").split(/\r\n?|\n/)) {
    if (!comment.test(one)) break
    const match = line.exec(one)
    if (match !== null) found.set((match[1] ?? "").toLowerCase(), match[2] ?? "")
    if (/migrate:up\b.*\btransaction:\s*false/.test(one)) found.set("transaction", "false")
  }
  const revises = found.get("revises")
  return {
    revises: revises === undefined ? undefined : list(revises),
    dependsOn: list(found.get("depends-on")),
    adopts: list(found.get("adopts")),
    transaction: found.get("transaction") !== "false"
  }
}

/** `0001_create_users`, `20260102030405_create_users`, `20260102_030405_create_users`. */
const named = /^(\d{8}[T_-]\d{4,6}|\d+)[_-](.+)$/

/** Id and name in a file's name without its extension; none where it does not begin with a number. @since 0.1.0 @category accessors */
export const parseName = (stem: string): { readonly id: string; readonly name: string } | undefined => {
  const match = named.exec(stem)
  return match === null ? undefined : { id: match[1] ?? "", name: match[2] ?? "" }
}

/** How a person knows it. @since 0.1.0 @category accessors */
export const label = (revision: { readonly id: string; readonly name: string }): string =>
  revision.name === "" ? revision.id : `${revision.id}_${revision.name}`
