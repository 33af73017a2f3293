/**
 * What a command's end means to whoever started it.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export const codes = {
  0: "fine",
  1: "failed",
  2: "used wrongly",
  3: "migrations pending or drifted",
  130: "interrupted"
} as const

/** @since 0.1.0 @category models */
export type ExitCode = Exclude<keyof typeof codes, 130>
