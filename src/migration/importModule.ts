/**
 * Imports one migration's module. `.ts` goes through jiti, which runs on plain Node; what the file imports of Effect and of
 * this library is handed to it, so that there is one copy of each: a second copy would not see this one's services. `.js`
 * and `.mjs` are imported as they are.
 *
 * @since 0.1.0
 */
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import type { Jiti } from "jiti"
import { isMigration, isOurs } from "../model/Migration.js"
import { MigrationError } from "../model/MigrationError.js"
import { fromMigration, type Loaded } from "./Revision.js"

/** Modules of ours and of Effect, by specifier; jiti looks here first. */
const shared: Record<string, unknown> = {}
let loader: Promise<Jiti> | undefined

const specifiers = /(?:from|import)\s*\(?\s*["']((?:effect|effect-aquifer|@effect\/[\w-]+)(?:\/[^"']*)?)["']/g

/** What cannot be found from here is left to be found from the file's own place. */
const share = async (text: string): Promise<void> => {
  for (const [, specifier = ""] of text.matchAll(specifiers)) {
    if (Object.hasOwn(shared, specifier)) continue
    try {
      // By its own name, the package means the copy that runs.
      shared[specifier] = specifier === "effect-aquifer" ? await import("effect-aquifer") : await import(specifier)
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause
    }
  }
}

const typescript = async (path: string, text: string): Promise<unknown> => {
  await share(text)
  loader ??= import("jiti").then(({ createJiti }) =>
    // Without its cache an edited file is read anew by a program that goes on running.
    createJiti(import.meta.url, { moduleCache: false, virtualModules: shared })
  )
  return (await loader).import(path)
}

/** The module's default export, or the export named `migration`. */
const exported = (module: unknown): unknown => {
  const { default: main, migration } = (module ?? {}) as { readonly default?: unknown; readonly migration?: unknown }
  const inner = (main as { readonly default?: unknown } | undefined)?.default
  return [main, inner, migration].find(isMigration)
}

/** @since 0.1.0 @category constructors */
export const importModule = (options: {
  readonly import: () => Promise<unknown>
  readonly revision: string
  readonly file: string
}): Effect.Effect<Loaded, MigrationError> => {
  const { file, revision } = options
  return Effect.tryPromise({
    try: options.import,
    catch: (cause) =>
      new MigrationError({
        reason: "bad-module",
        problem: `it cannot be imported: ${(cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ").trim()}`,
        remedy: "Correct the file; nothing of it was run",
        revision,
        file,
        cause
      })
  }).pipe(
    Effect.flatMap((module) => {
      const migration = exported(module)
      if (!isMigration(migration)) {
        return Effect.fail(
          new MigrationError({
            reason: "bad-module",
            problem: "its default export is no migration",
            remedy: "Write: export default Migration.make({ up, down })",
            revision,
            file
          })
        )
      }
      if (!isOurs(migration)) {
        return Effect.fail(
          new MigrationError({
            reason: "other-copy",
            problem: "it was made with another copy of effect, whose services this one cannot provide",
            remedy: "Install effect once (npm ls effect shows where there are two) and run the project's own command",
            revision,
            file
          })
        )
      }
      return Effect.succeed(fromMigration(migration))
    })
  )
}

/** How a file is imported, by its extension. @since 0.1.0 @category constructors */
export const importFile = (path: string, text: string, version: string): Promise<unknown> =>
  path.endsWith(".ts")
    ? typescript(path, text)
    : import(/* @vite-ignore */ `${pathToFileURL(path).href}?version=${version}`)
