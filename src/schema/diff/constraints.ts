/**
 * Keys, checks and exclusions, which a table has for itself, and references, which hang on another table's keys.
 *
 * @since 0.1.0
 */
import { make } from "../../model/Change.js"
import type { Named, TableConstraint } from "../../model/Table.js"
import { mentions } from "../Spelling.js"
import type { Columns } from "./columns.js"
import { type Link, matched, type Pair, type Step, step } from "./Pair.js"

type Rule = Named<Exclude<TableConstraint, { readonly kind: "foreign key" }>>

const isLink = (constraint: Named<TableConstraint>): constraint is Link => constraint.kind === "foreign key"

/** @since 0.1.0 @category accessors */
export const links = (constraints: ReadonlyArray<Named<TableConstraint>>): ReadonlyArray<Link> =>
  constraints.filter(isLink)

const rules = (constraints: ReadonlyArray<Named<TableConstraint>>): ReadonlyArray<Rule> =>
  constraints.filter((constraint): constraint is Rule => !isLink(constraint))

const list = (names: ReadonlyArray<string>): string => JSON.stringify(names)

const sameRule =
  ({ alike }: Pair) =>
  (a: Rule, b: Rule): boolean => {
    if (a.kind === "check") return b.kind === "check" && alike(a.sql, b.sql)
    if (a.kind === "exclude") return b.kind === "exclude" && alike(whole(a), whole(b))
    return a.kind === b.kind && "columns" in b && list(a.columns) === list(b.columns)
  }

/** As the product prints it, which is how alikeness is known. */
const whole = ({ sql, using }: Extract<Rule, { readonly kind: "exclude" }>): string =>
  using === undefined ? sql : `EXCLUDE USING ${using} (${sql})`

/** @since 0.1.0 @category comparisons */
export const sameLink = (a: Link, b: Link): boolean =>
  list(a.columns) === list(b.columns) &&
  a.table === b.table &&
  list(a.targets) === list(b.targets) &&
  (a.onDelete ?? "no action") === (b.onDelete ?? "no action") &&
  (a.onUpdate ?? "no action") === (b.onUpdate ?? "no action") &&
  (a.deferrable ?? false) === (b.deferrable ?? false)

/** What was declared under that name; what the product made a name of is taken as it prints it. */
const said = <A extends Named<TableConstraint>>({ declared }: Pair, one: A): A =>
  // Of one name, so of one kind.
  (declared.definition.constraints.find(({ name }) => name === one.name) as A | undefined) ?? one

/** Those that stand in the way of a column that is another one for a while. @since 0.1.0 @category guards */
export const inTheWay = ({ remade }: Columns, columns: ReadonlyArray<string>, text: string): boolean =>
  [...remade].some((column) => columns.includes(column) || mentions(text, column))

const phaseOf = ({ kind }: Rule): Step["phase"] => (kind === "primary key" || kind === "unique" ? "keys" : "rules")

/** @since 0.1.0 @category models */
export interface Rules {
  readonly steps: ReadonlyArray<Step>
  /** Columns of keys that are not there all the time: what refers to them is in the way. */
  readonly keys: ReadonlyArray<ReadonlyArray<string>>
}

/** @since 0.1.0 @category comparisons */
export const constraints = (pair: Pair, columns: Columns): Rules => {
  const { declared, live, name: table, sure, wanted } = pair
  // A check the product made of something else (an enum) is no constraint of its own.
  const known = new Set(declared.definition.constraints.map(({ name }) => name))
  const own = (one: Rule) => one.kind !== "check" || known.has(one.name) || !made.has(one.name)
  const made = new Set(rules(wanted.definition.constraints).flatMap(({ name }) => (known.has(name) ? [] : [name])))
  const all = {
    wanted: rules(wanted.definition.constraints).filter(own),
    live: rules(live.definition.constraints).filter(own)
  }
  /** Keys have no text that could not be said again. */
  const certain: Partial<Record<Rule["kind"], (name: string) => boolean>> = {
    check: sure.check,
    exclude: sure.exclusion
  }
  const blocked = (one: Rule): boolean =>
    inTheWay(columns, "columns" in one ? one.columns : [], "sql" in one ? one.sql : "")
  const { gone, missing } = matched(
    all.wanted,
    all.live,
    (a, b) => !blocked(a) && sameRule(pair)(a, b),
    declared.chosen
  )
  return {
    steps: [
      ...gone.map((one) =>
        step(
          "rules dropped",
          make.DropConstraint({
            table,
            name: one.name,
            was: certain[one.kind]?.(one.name) === false ? undefined : one
          })
        )
      ),
      ...missing.map((one) => step(phaseOf(one), make.AddConstraint({ table, constraint: said(pair, one) })))
    ],
    keys: gone.flatMap((one) => (one.kind === "primary key" || one.kind === "unique" ? [one.columns] : []))
  }
}

/**
 * `cut` says which of the links that stay have to go for a while.
 *
 * @since 0.1.0
 * @category comparisons
 */
export const foreignKeys = (pair: Pair, cut: (link: Link) => boolean): ReadonlyArray<Step> => {
  const { declared, live, name: table, wanted } = pair
  const { gone, missing } = matched(
    links(wanted.definition.constraints),
    links(live.definition.constraints),
    (a, b) => sameLink(a, b) && !cut(b),
    declared.chosen
  )
  return [
    ...gone.map((one) => step("links cut", make.DropConstraint({ table, name: one.name, was: one }))),
    ...missing.map((one) => step("links", make.AddConstraint({ table, constraint: said(pair, one) })))
  ]
}
