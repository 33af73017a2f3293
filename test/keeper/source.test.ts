import * as Package from "effect-aquifer"
import { expect, it } from "vitest"
import * as Source from "../../src/index.js"

it("a test that imports the package by its name tests the source, not the last build", () => {
  expect(Package).toBe(Source)
})
