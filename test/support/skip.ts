/** Skips a test with a reason that is seen in the output. The runner's own note is lost when an Effect throws it. */
import type { TestContext } from "vitest"

declare module "vitest" {
  interface TaskMeta {
    /** Why the test was skipped. */
    skipped?: string
  }
}

/** To be called before anything else in the test: `it.effect("…", (test) => { skip(test, !able, "needs …"); return … })`. */
export const skip = (test: TestContext, condition: boolean, reason: string): void => {
  if (!condition) return
  test.task.meta.skipped = reason
  test.skip(reason)
}
