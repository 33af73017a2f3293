/**
 * What can go wrong with seeds. `reason` is for programs, `message` for people: it names the seed and says what to do.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * - `duplicate-name`, `unknown-dependency`, `cycle`: together the seeds make no order; nothing was sent.
 * - `failed`: a seed's own effect failed, `cause` says with what; nothing of any seed was kept.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "duplicate-name" | "unknown-dependency" | "cycle" | "failed"

/** @since 0.1.0 @category models */
export interface Details {
  readonly reason: Reason
  readonly seed: string
  /** What is wrong, in one sentence without a full stop. */
  readonly problem: string
  /** What to do about it, in one sentence without a full stop. */
  readonly remedy: string
  readonly cause?: unknown
}

/** Seeds could not be ordered, or one of them failed. @since 0.1.0 @category errors */
export class SeedError extends Data.TaggedError("SeedError")<Details> {
  override get message(): string {
    return `seed ${this.seed}: ${this.problem}. ${this.remedy}.`
  }
}
