import { createRequire } from "node:module"
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { encode, prepare } from "../../../src/dialect/postgres/encode.js"

// The driver's own function is not part of its declared interface.
const { prepareValue } = createRequire(import.meta.url)("pg/lib/utils.js") as {
  prepareValue: (value: unknown) => unknown
}

describe("values on the wire", () => {
  it("are what the driver itself would send", () => {
    const value = FastCheck.oneof(
      FastCheck.string({ unit: "grapheme" }),
      FastCheck.double(),
      FastCheck.bigInt(),
      FastCheck.boolean(),
      FastCheck.constant(null),
      FastCheck.constant(undefined),
      FastCheck.date({ noInvalidDate: true }),
      FastCheck.uint8Array(),
      FastCheck.jsonValue()
    )
    FastCheck.assert(
      FastCheck.property(
        FastCheck.oneof(value, FastCheck.array(FastCheck.oneof(value, FastCheck.array(value)))),
        (sent) => {
          expect(prepare(sent)).toEqual(prepareValue(sent))
        }
      )
    )
    const own = { toPostgres: (inner: (value: unknown) => unknown) => [inner(1), "a,b"] }
    for (const sent of [own, new Date(-1e14), new Float32Array([1]), Buffer.from("x"), [own]]) {
      expect(prepare(sent)).toEqual(prepareValue(sent))
    }
  })

  it("an object without a text is NULL, not a missing value", () => {
    expect(prepare({ toJSON: () => undefined })).toBe(null)
  })

  it("encode never throws, and hands back what has no meaning as a value", () => {
    const nothing = () => 1
    expect(encode(nothing)).toBe(nothing)
    expect(encode(1)).toBe("1")
    const self: Array<unknown> = []
    self.push(self)
    expect(encode(self)).toBe(self)
  })
})
