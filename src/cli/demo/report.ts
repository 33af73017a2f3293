/**
 * What the demo saw, and how a person likes to read it.
 *
 * @since 0.1.0
 */
import type { PoolSnapshot } from "../../model/DatabaseError.js"
import { amount, called, millis, plural, rows } from "../layout.js"
import type { Style } from "../Style.js"

/** Latencies and times in milliseconds. @since 0.1.0 @category models */
export interface Transfers {
  readonly done: number
  readonly failed: number
  /** Transfers that needed more than one try, and the tries beyond the first of each. */
  readonly retried: number
  readonly retries: number
  readonly fibers: number
  readonly millis: number
  readonly p50: number
  readonly p99: number
  readonly firstFailure: string | undefined
}

/** `--json` gives exactly this. @since 0.1.0 @category models */
export interface Report {
  /** Every transfer was made and the sum is what it was. */
  readonly ok: boolean
  /** Its password hidden. */
  readonly database: string
  readonly product: string
  readonly version: string
  readonly migrations: { readonly applied: ReadonlyArray<string>; readonly already: number }
  readonly accounts: { readonly seeded: number; readonly all: number }
  readonly transfers: Transfers
  readonly sum: { readonly before: number; readonly after: number; readonly unchanged: boolean }
  readonly health: { readonly status: "up"; readonly millis: number }
  readonly pool: PoolSnapshot
}

/** @since 0.1.0 @category conversions */
export const render = (report: Report, style: Style): string => {
  const { accounts, migrations, pool, sum, transfers } = report
  const good = (yes: boolean, text: string) => (yes ? style.green(text) : style.red(text))
  const seconds = transfers.millis / 1_000
  const rate = seconds > 0 ? `, ${amount(Math.round(transfers.done / seconds))} a second` : ""
  const found = migrations.already > 0 ? `${migrations.already} already there` : ""
  const applied = migrations.applied.length > 0 ? `${migrations.applied.length} applied` : ""
  return [
    "",
    ...rows(style, [
      ["database", style.bold(report.database)],
      ["server", `${called(report.product)} ${report.version}`],
      ["migrations", [found, applied].filter((part) => part !== "").join(", ") || "none"],
      ...migrations.applied.map((name) => ["", style.dim(name)] as const),
      [
        "accounts",
        `${accounts.all}${accounts.seeded > 0 ? `, ${accounts.seeded} of them seeded` : ", all there already"}`
      ]
    ]),
    "",
    ...rows(style, [
      [
        "transfers",
        `${amount(transfers.done)} done, ${amount(transfers.retried)} retried, ${good(transfers.failed === 0, `${amount(transfers.failed)} failed`)}`
      ],
      [
        "",
        style.dim(
          `${transfers.fibers} fibers, ${millis(transfers.millis)}${rate}, ${plural(transfers.retries, "retry", "retries")}`
        )
      ],
      ...(transfers.firstFailure === undefined ? [] : [["", style.red(transfers.firstFailure)] as const]),
      ["latency", `p50 ${millis(transfers.p50)}, p99 ${millis(transfers.p99)}${style.dim("   retries included")}`],
      [
        "sum",
        sum.unchanged
          ? `${amount(sum.before)} before, ${amount(sum.after)} after: ${style.green("unchanged")}`
          : style.red(`${amount(sum.before)} before, ${amount(sum.after)} after: WRONG`)
      ]
    ]),
    "",
    ...rows(style, [
      ["health", `${style.green(report.health.status)}, answers in ${millis(report.health.millis)}`],
      [
        "pool",
        `${pool.checkedOut} in use, ${pool.checkedIn} idle, ${pool.waiting} waiting, ${pool.overflow} over its size of ${pool.size}`
      ],
      [
        "",
        style.dim(
          `${amount(pool.totals.acquired)} acquired, ${pool.totals.opened} opened, ${pool.invalidated} invalidated, ${plural(pool.totals.timeouts, "timeout", "timeouts")}`
        )
      ]
    ]),
    "",
    report.ok
      ? `  ${style.green("All is well")}, and everything is closed.`
      : `  ${style.red("Something went wrong")}; everything is closed.`,
    ""
  ].join("\n")
}
