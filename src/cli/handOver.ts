/**
 * Finds the executable of the copy of this package that a folder's project has installed. Loads nothing, so that a command
 * which hands over has cost nothing.
 *
 * @since 0.1.0
 */
import { existsSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * Its path, or nothing where that is the one that asks, or where there is none.
 *
 * @since 0.1.0
 * @category accessors
 */
export const projectsOwn = (folder: string, asking: string): string | undefined => {
  try {
    const require = createRequire(join(folder, "package.json"))
    const file = require.resolve("effect-aquifer/package.json")
    const { bin }: { readonly bin?: { readonly aquifer?: string } } = require(file)
    const own = join(dirname(file), bin?.aquifer ?? "dist/bin.js")
    return existsSync(own) && realpathSync(own) !== realpathSync(fileURLToPath(asking)) ? own : undefined
  } catch {
    // Not installed there, or not to be read: then this copy has to do.
    return undefined
  }
}
