/**
 * A server that turns out to be a relative of the product its URL names: CockroachDB usually hides behind `postgresql://`.
 * Which product speaks is settled before the first connection, so the first connection can only say that it is another.
 *
 * @since 0.1.0
 */
import type { Target } from "../model/DatabaseConfig.js"
import { type DatabaseError, UnsupportedError } from "../model/DatabaseError.js"

type Product = NonNullable<Target["product"]>

/** What stands behind the failure: who it is. */
class Relative extends Error {
  constructor(readonly product: Product) {
    super(`the server is one of ${product}`)
  }
}

/** `version`: as the server says it. @since 0.1.0 @category errors */
export const relative = (product: Product, version: string): UnsupportedError =>
  new UnsupportedError({
    operation: "connect",
    reason: `another product answers than the URL names: ${version}`,
    hint: `Write ${product}:// in place of the URL's scheme; a first connection made with the layer (connect: "eager") finds out by itself`,
    cause: new Relative(product)
  })

/** Who answered in the place of the product a target names, if that is why it failed. @since 0.1.0 @category accessors */
export const productOf = (error: DatabaseError): Product | undefined => {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Relative) return cause.product
  }
  return undefined
}
