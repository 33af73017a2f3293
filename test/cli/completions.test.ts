/** Completions installed as the README says, in real shells, and used with the tabulator. */
import { spawnSync } from "node:child_process"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { skip } from "../support/skip.js"
import { project, tables } from "./migrations.js"
import { at, keys, onPath } from "./person.js"

const limit = 120_000

interface Shell {
  readonly name: "bash" | "zsh" | "fish"
  readonly args: ReadonlyArray<string>
  /** What this shell's user has in the home folder. */
  readonly home: Readonly<Record<string, string>>
  /** The README's way. */
  readonly install: string
}

const shells: ReadonlyArray<Shell> = [
  {
    name: "bash",
    args: ["--noprofile", "-i"],
    home: { ".bashrc": "PS1='ready> '\n" },
    install: `echo 'eval "$(aquifer --completions bash)"' >> ~/.bashrc`
  },
  {
    name: "zsh",
    args: ["-i"],
    home: {
      ".zshrc":
        "PS1='ready> '\nunsetopt PROMPT_SP\nfpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit -u -d ~/.zcompdump\n",
      ".zfunc/note.txt": ""
    },
    install: "aquifer --completions zsh > ~/.zfunc/_aquifer; rm -f ~/.zcompdump"
  },
  {
    name: "fish",
    args: ["-i"],
    home: {
      ".config/fish/config.fish":
        "function fish_prompt; echo -n 'ready> '; end\nset -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n",
      ".config/fish/completions/note.txt": ""
    },
    install: "aquifer --completions fish > ~/.config/fish/completions/aquifer.fish"
  }
]

for (const { args, home, install, name } of shells) {
  const lacking = spawnSync(name, ["--version"]).status !== 0

  describe(`completions in ${name}`, () => {
    const installed = Effect.gen(function* () {
      const cwd = yield* project({ ...tables(2), ...home })
      const bin = yield* onPath
      const env = { DATABASE_URL: "sqlite:app.db", PATH: `${bin}:${process.env.PATH ?? ""}` }
      const first = yield* at(name, args, { cwd, env })
      yield* first.sees(/ready>$/)
      yield* first.types(`${install}; exit${keys.enter}`)
      expect(yield* first.ended).toBe(0)
      const shell = yield* at(name, args, { cwd, env })
      yield* shell.sees(/ready>$/)
      /** Types on and sees the line that comes of it, from its beginning. */
      const completes = (typed: string, line: string) =>
        Effect.zipRight(
          shell.types(`${typed}${keys.tab}`),
          shell.sees(new RegExp(`ready> ${line.replace(/[/.]/g, "\\$&")}$`))
        )
      const anew = Effect.zipRight(shell.types(keys.ctrlC), shell.sees(/ready>$/))
      return { shell, completes, anew }
    })

    it.scopedLive(
      "know commands, options and values, from the first tabulator on",
      (test) => {
        skip(test, lacking, `needs ${name} on the path`)
        return Effect.gen(function* () {
          const { anew, completes, shell } = yield* installed
          yield* completes("aquifer mig", "aquifer migrate")
          yield* completes("d", "aquifer migrate down")
          yield* completes("--m", "aquifer migrate down --migrations")
          yield* completes("migr", "aquifer migrate down --migrations migrations/")
          yield* anew
          yield* completes("aquifer migrate new --kind s", "aquifer migrate new --kind sql")
          yield* anew
          yield* completes("aquifer migrate lint --format=g", "aquifer migrate lint --format=github")
          yield* anew
          // Options may stand anywhere, and the value of one is no command.
          yield* completes("aquifer --json --table db migrate stat", "aquifer --json --table db migrate status")
          yield* completes("--log", "aquifer --json --table db migrate status --log-level")
          yield* completes("err", "aquifer --json --table db migrate status --log-level error")
          yield* shell.types(keys.enter)
          yield* shell.sees(/"pending": 2/)
          yield* shell.sees(/ready>$/)
          // A command without subcommands has its own options, and no commands below it.
          yield* completes("aquifer health --wa", "aquifer health --watch")
        })
      },
      limit
    )
  })
}
