/** A folder that is gone with its scope. */
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"

export const freshFolder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(path.join(os.tmpdir(), "aquifer-cli-"))),
  (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
)

/** A path in a folder of its own where nothing is yet. */
export const freshFile = (name: string) => Effect.map(freshFolder, (folder) => path.join(folder, name))
