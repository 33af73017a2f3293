/**
 * `aquifer migrate stamp` and `repair`: what changes the ledger and nothing else. The person who says so has looked at the
 * database, and is asked whether that is so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Repair from "../../migration/Repair.js"
import * as Stamp from "../../migration/Stamp.js"
import { describeTarget } from "../../model/DatabaseConfig.js"
import { confirmed, type Run, show } from "../Command.js"
import { usageError } from "../Guard.js"
import { rows } from "../layout.js"
import type { Name, Options } from "../Options.js"
import { onDatabase } from "../onDatabase.js"
import * as Target from "../Target.js"
import { watched } from "./source.js"

/** @since 0.1.0 @category commands */
export const stamp: Run = (options, revisions) =>
  Effect.gen(function* () {
    const config = yield* Target.resolve(options)
    if (options.purge) {
      yield* confirmed(options, `this forgets everything the ledger of ${describeTarget(config)} knows`)
    }
    const stamped = yield* onDatabase(
      config,
      watched(options, (source) => Stamp.stamp(revisions, { ...source, purge: options.purge }))
    )
    yield* show(options, stamped, ({ added, removed, settled }, style) => {
      const lines = [
        ...removed.map((one) => ["removed", one] as const),
        ...settled.map((one) => ["settled", one] as const),
        ...added.map((one) => ["added", one] as const)
      ]
      return lines.length === 0 ? ["  the ledger says so already"] : rows(style, lines)
    })
    return 0 as const
  })

/** What can be said about a revision, as the library calls it. */
const sayings = ["accept", "applied", "forget", "done", "undone"] as const satisfies ReadonlyArray<
  Name & keyof Repair.Repairs
>

const said = (options: Options): Repair.Repairs =>
  Object.fromEntries(sayings.map((name) => [name, options[name]] as const).filter(([, names]) => names.length > 0))

/** @since 0.1.0 @category commands */
export const repair: Run = (options) =>
  Effect.gen(function* () {
    const repairs = said(options)
    if (Object.keys(repairs).length === 0) {
      return yield* Effect.fail(
        usageError(
          `repair what? Say ${sayings.map((name) => `--${name}`).join(", ")} and the revision; aquifer migrate status shows them`
        )
      )
    }
    const config = yield* Target.resolve(options)
    yield* confirmed(options, `this changes what the ledger of ${describeTarget(config)} says, and nothing else`)
    const changed = yield* onDatabase(
      config,
      watched(options, (source) => Repair.repair({ ...source, ...repairs }))
    )
    yield* show(options, { changed }, ({ changed }, style) =>
      rows(
        style,
        changed.map((entry) => ["settled", `${entry.id}_${entry.name}  ${style.dim(`was ${entry.state}`)}`] as const)
      )
    )
    return 0 as const
  })
