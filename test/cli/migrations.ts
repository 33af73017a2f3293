/** Folders with migrations in them, for tests of the command. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { freshFolder } from "./folder.js"

/** Writes these files below the folder. */
export const write = (folder: string, files: Readonly<Record<string, string>>): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(folder, name)
      await fs.mkdir(path.dirname(file), { recursive: true })
      await fs.writeFile(file, text)
    }
  })

/** `t1` … as migrations `0001_t1.sql` …, each with its way back. */
export const tables = (count: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `migrations/000${index + 1}_t${index + 1}.sql`,
      `-- migrate:up\nCREATE TABLE t${index + 1} (id INTEGER PRIMARY KEY);\n-- migrate:down\nDROP TABLE t${index + 1};\n`
    ])
  )

/** A fresh folder with these files. */
export const project = (files: Readonly<Record<string, string>>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.tap(freshFolder, (folder) => write(folder, files))

/** A module that declares the tables of such migrations. */
export const schema = (names: ReadonlyArray<string>): string => `import { DatabaseSchema, Table } from "effect-aquifer"

const table = <const Name extends string>(name: Name) => Table.make(name, { id: Table.int.pipe(Table.primaryKey) })

export default DatabaseSchema.make({ ${names.map((name) => `${name}: table("${name}")`).join(", ")} })
`
