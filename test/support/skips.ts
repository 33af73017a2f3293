/**
 * Prints every skipped test with its reason, and fails the run when one has none. A reason is what `skip` was given (in
 * Effects: the one of `skip.ts`), or stands in the title of the test or of a suite around it: `(needs …)`, `(lacks …)`, `(skipped: …)`.
 */
import * as path from "node:path"
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node"

const inTitle = /\((?:needs |lacks |skipped: )(.+)\)/

const reasonOf = (test: TestCase): string | undefined => {
  const result = test.result()
  const note = result.state === "skipped" ? result.note : undefined
  return test.meta().skipped ?? note ?? inTitle.exec(test.fullName)?.[0]
}

export default class Skips implements Reporter {
  #filtered = false

  onInit(vitest: Vitest): void {
    this.#filtered = vitest.config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    // Whoever asks for some tests by name has skipped the others himself.
    if (this.#filtered) return
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")])
    if (skipped.length === 0) return
    console.log(`\n Skipped (${skipped.length})`)
    for (const test of skipped) {
      const reason = reasonOf(test)
      console.log(
        `  ${path.relative(process.cwd(), test.module.moduleId)} > ${test.fullName}: ${reason ?? "NO REASON GIVEN"}`
      )
      if (reason === undefined) process.exitCode = 1
    }
  }
}
