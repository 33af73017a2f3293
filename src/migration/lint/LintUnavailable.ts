/**
 * Lint's one failure. It stands alone so that the public types need no optional package.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/** The grammar could not be loaded. @since 0.1.0 @category errors */
export class LintUnavailable extends Data.TaggedError("LintUnavailable")<{
  readonly package: string
  readonly cause: unknown
}> {
  override get message(): string {
    return `PostgreSQL's grammar could not be loaded. Install the optional package ${this.package} (npm install --save-dev ${this.package}).`
  }
}
