/**
 * `aquifer init`: a folder for migrations and a `.env` that names a database, where they are not there yet. Nothing that is
 * there is changed.
 *
 * @since 0.1.0
 */
import { access, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { type Run, show, Told } from "./Command.js"
import { folders } from "./migrate/source.js"
import { prefix } from "./words.js"

const about = `# Migrations

\`0001_what_it_does.ts\` or \`.sql\`, applied in the order of their numbers. Each is committed together with its row in the
ledger, and its file is not changed any more once it is applied.

    npx aquifer migrate new create users    write the next one
    npx aquifer migrate up                  apply what is pending
    npx aquifer migrate status              where the database stands
    npx aquifer migrate down                take back the last one
`

const env = `# Also postgres://user:password@host:5432/database. Keep this file out of version control.
DATABASE_URL=sqlite:app.db
`

const isThere = (file: string) =>
  access(file).then(
    () => true,
    () => false
  )

/** Writes where nothing is; says whether it did. */
const written = async (file: string, text: string): Promise<boolean> => {
  if (await isThere(file)) return false
  await writeFile(file, text, { flag: "wx" })
  return true
}

/** @since 0.1.0 @category commands */
export const init: Run = (options) =>
  Effect.gen(function* () {
    const [folder] = folders(options)
    const said = yield* Effect.tryPromise({
      try: async () => {
        await mkdir(folder, { recursive: true })
        const readme = join(folder, "README.md")
        const made = [
          [readme, await written(readme, about)],
          [".env", await written(".env", env)]
        ] as const
        return {
          created: made.filter(([, made]) => made).map(([file]) => file),
          already: made.filter(([, made]) => !made).map(([file]) => file)
        }
      },
      catch: (cause) =>
        new Told({
          lines: [
            `${prefix}${cause instanceof Error ? cause.message : String(cause)}. Name a folder this user may write to with --migrations.`
          ]
        })
    })
    // Whoever came by way of npx has no command of that name.
    const npx = yield* Effect.orElseSucceed(Config.withDefault(Config.string("npm_command"), ""), () => "")
    const aquifer = npx === "exec" ? "npx aquifer" : "aquifer"
    yield* show(options, { ...said, migrations: folder }, ({ already, created }, style) => [
      ...created.map((file) => `  ${style.green("created")}  ${file}`),
      ...already.map((file) => `  ${style.dim("is there")} ${file}`),
      "",
      `  Next: set DATABASE_URL in .env, then ${style.bold(`${aquifer} migrate new create users`)} and ${style.bold(`${aquifer} migrate up`)}`
    ])
    return 0 as const
  })
