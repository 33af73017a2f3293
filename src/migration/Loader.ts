/**
 * Where revisions come from: a folder, a bundler's glob, or a record in the program. Reading them imports nothing; a file
 * whose name is not understood is an error and never skipped, because a skipped migration is found out too late.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { isMigration, type Migration } from "../model/Migration.js"
import { MigrationError } from "../model/MigrationError.js"
import { importFile, importModule } from "./importModule.js"
import * as Remembered from "./Remembered.js"
import { checksum, fromMigration, header, type Kind, label, parseName, type Revision } from "./Revision.js"
import * as SqlFile from "./SqlFile.js"

/** @since 0.1.0 @category models */
export type Loader = Effect.Effect<ReadonlyArray<Revision>, MigrationError>

const kinds: Readonly<Record<string, Kind>> = { ".sql": "sql", ".ts": "ts", ".js": "js", ".mjs": "js" }

/** Declarations, tests, and what begins with an underscore or a dot are no migrations. */
const isMigrationFile = (name: string): boolean =>
  path.extname(name) in kinds && !/^[_.]|\.d\.ts$|\.(?:test|spec)\.\w+$/.test(name)

const badName = (file: string) =>
  new MigrationError({
    reason: "bad-name",
    problem: "its name does not begin with a number",
    remedy: "Call it like 0001_create_users.ts; a helper's name begins with an underscore",
    file
  })

/** Paths are shown as seen from where the program runs. @since 0.1.0 @category accessors */
export const shown = (file: string): string => {
  const relative = path.relative(process.cwd(), file)
  return relative.startsWith("..") ? file : relative
}

/** A folder as the system has it. @since 0.1.0 @category accessors */
export const folderOf = (directory: string | URL): string =>
  path.resolve(directory instanceof URL ? fileURLToPath(directory) : directory)

/**
 * The `.ts`, `.js`, `.mjs` and `.sql` files of a folder, or of several that make one history.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromDirectory = (directory: string | URL | ReadonlyArray<string | URL>): Loader =>
  typeof directory === "string" || directory instanceof URL
    ? fromFolder(directory)
    : Effect.map(Effect.forEach(directory, fromFolder), (all) => all.flat())

const fromFolder = (directory: string | URL): Loader =>
  Effect.gen(function* () {
    const folder = folderOf(directory)
    // Read synchronously: five times as fast for hundreds of small files, and a layer of SQL files may be built in runSync.
    const names = yield* Effect.try({ try: () => fs.readdirSync(folder), catch: (cause) => noFolder(folder, cause) })
    const at = shown(folder)
    const key = `${folder}\n${at}`
    const inside = folder + path.sep
    const untouched = remembered.untouched(key, names, (name) => statsOf(inside + name))
    if (untouched !== undefined) return untouched
    const found: Array<Revision> = []
    const place: Place = {
      folder: inside,
      shown: at === "" ? "" : at + path.sep,
      room: Buffer.allocUnsafeSlow(16 * 1024),
      known: remembered.folder(key, names, yield* Clock.currentTimeMillis)
    }
    // No effect for each: hundreds of files are read at every start of a program that has nothing to do.
    for (const name of names.filter(isMigrationFile).sort()) {
      const read = fromFile(place, name)
      if (read instanceof MigrationError) return yield* read
      found.push(read)
    }
    return place.known.whole(found)
  })

const remembered = Remembered.make<Revision>()

/** What cannot be looked at fails when it is read, with its name. */
const statsOf = (file: string): fs.Stats | undefined => {
  try {
    return fs.statSync(file)
  } catch {
    return undefined
  }
}

/** A folder while it is read. */
interface Place {
  readonly folder: string
  /** As seen from where the program runs. */
  readonly shown: string
  readonly room: Buffer
  readonly known: Remembered.Folder<Revision>
}

const noFolder = (folder: string, cause: unknown): MigrationError => {
  const code = (cause as { readonly code?: unknown }).code
  const problem =
    code === "ENOENT"
      ? `there is no migrations folder ${shown(folder)}`
      : code === "ENOTDIR"
        ? `${shown(folder)} is a file, not a migrations folder`
        : `the migrations folder ${shown(folder)} cannot be read (${String(code)})`
  return new MigrationError({
    reason: "no-folder",
    problem,
    remedy: "Create it, or name the right one with the option directory",
    cause
  })
}

const fromFile = (place: Place, name: string): Revision | MigrationError => {
  const extension = path.extname(name)
  const file = place.shown + name
  const full = place.folder + name
  let text: string
  let stats: fs.Stats
  try {
    stats = fs.statSync(full)
    const known = place.known.get(name, stats)
    if (known !== undefined) return known
    text = textOf(full, place.room)
  } catch (cause) {
    return new MigrationError({
      reason: "unreadable",
      problem: `it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: "Give this user the right to read it",
      file,
      cause
    })
  }
  const found = parseName(name.slice(0, name.length - extension.length))
  if (found === undefined) return badName(file)
  const head = header(text)
  const sum = checksum(text)
  const revision: Revision = {
    id: found.id,
    name: found.name,
    kind: kinds[extension] ?? "js",
    checksum: sum,
    file,
    revises: head.revises,
    dependsOn: head.dependsOn,
    adopts: head.adopts,
    load: Effect.suspend(() =>
      extension === ".sql"
        ? fromSql(text, file, label(found), head.transaction)
        : importModule({ import: () => importFile(full, text, sum), revision: label(found), file })
    )
  }
  place.known.set(name, stats, revision)
  return revision
}

/** Through one buffer for all of them: a third of what `readFileSync` takes for so many small files. */
const textOf = (full: string, room: Buffer): string => {
  const opened = fs.openSync(full, "r")
  try {
    let length = 0
    for (;;) {
      const read = fs.readSync(opened, room, length, room.length - length, null)
      if (read === 0) return room.toString("utf8", 0, length)
      length += read
      if (length === room.length) return fs.readFileSync(full, "utf8")
    }
  } finally {
    fs.closeSync(opened)
  }
}

const fromSql = (text: string, file: string, revision: string, transaction: boolean): Revision["load"] =>
  Effect.flatMap(SqlFile.parse(text, file, revision), (sections) => {
    const ends = transaction ? SqlFile.endsTransaction([...sections.up, ...(sections.down ?? [])]) : undefined
    if (ends !== undefined) {
      return Effect.fail(
        new MigrationError({
          reason: "bad-sql",
          problem: "it would end the transaction it runs in",
          remedy: `Take the statement out, or write "-- transaction: false" at the top of the file`,
          revision,
          file,
          line: ends.line,
          statement: ends.text
        })
      )
    }
    return Effect.succeed({
      transaction,
      up: { _tag: "sql" as const, statements: sections.up, source: sections.source.up },
      down:
        sections.down === undefined
          ? undefined
          : { _tag: "sql" as const, statements: sections.down, source: sections.source.down }
    })
  })

/**
 * What a bundler's glob gives: a function that imports the module, by path. There is no text, hence no checksum.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromGlob = (modules: Readonly<Record<string, () => Promise<unknown>>>): Loader =>
  Effect.forEach(Object.entries(modules), ([file, load]) => {
    const extension = path.extname(file)
    const found = parseName(path.basename(file, extension))
    if (found === undefined) return Effect.fail(badName(file))
    const revision: Revision = {
      ...found,
      kind: kinds[extension] ?? "js",
      file,
      dependsOn: [],
      load: importModule({ import: load, revision: label(found), file })
    }
    return Effect.succeed(revision)
  })

/**
 * Migrations that are part of the program, by `0001_name`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRecord = (migrations: Readonly<Record<string, Migration>>): Loader => {
  let known: ReadonlyArray<Revision> | undefined
  return Effect.suspend(() => {
    if (known !== undefined) return Effect.succeed(known)
    const all: Array<Revision> = []
    for (const [key, migration] of Object.entries(migrations)) {
      const found = parseName(key)
      if (found === undefined) return Effect.fail(badName(key))
      all.push({
        id: found.id,
        name: found.name,
        kind: "effect",
        dependsOn: [],
        load: isMigration(migration)
          ? Effect.succeed(fromMigration(migration))
          : Effect.fail(
              new MigrationError({
                reason: "bad-module",
                problem: "it is no migration",
                remedy: "Make it with Migration.make({ up, down })",
                revision: label(found)
              })
            )
      })
    }
    known = Object.freeze(all)
    return Effect.succeed(known)
  })
}
