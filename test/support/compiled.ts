/** Programs that were written by a program, compiled as strictly as the project itself. */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"

const project = path.resolve(import.meta.dirname, "../..")

/** What the compiler has to say of these files in the folder, a line each; one that is wrong on purpose shows that it looked. */
export const compiled = async (folder: string, files: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module", private: true }))
  fs.writeFileSync(path.join(folder, "wrong.ts"), "export const wrong: number = null\n")
  fs.writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: path.join(project, "tsconfig.json"),
      compilerOptions: {
        paths: { "effect-aquifer": [path.join(project, "src/index.ts")] },
        typeRoots: [path.join(project, "node_modules/@types")]
      },
      files: [...files, "wrong.ts"],
      include: []
    })
  )
  const tsc = path.join(project, "node_modules/typescript/bin/tsc")
  // Its mistakes are how it ends, too.
  const ended = promisify(execFile)(process.execPath, [tsc, "-p", folder], { cwd: folder })
  const { stdout = "" } = await ended.catch((error: { readonly stdout?: string }) => error)
  const said = stdout.split("\n")
  if (!said.some((line) => line.startsWith("wrong.ts"))) throw new Error(`the compiler did not look: ${stdout}`)
  // Mistakes elsewhere in the source are the type check's to tell.
  return said.filter((line) => files.some((file) => line.startsWith(file)))
}
