/**
 * Completion scripts for shells, from the table of commands. They start no process: everything they offer stands in them.
 * Written here, because those of `@effect/cli` complete nothing at zsh's first TAB and below fish's first word, and take
 * an option in front of a command for the command's end.
 *
 * @since 0.1.0
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the shells' own
import type { Command } from "./Command.js"
import { globals, kindOf, type Name, names } from "./Options.js"

/** @since 0.1.0 @category models */
export type Shell = "bash" | "zsh" | "fish"

/** A word and what it means. */
type Offer = readonly [word: string, meaning: string]

/** What may follow at a place: commands, or a command's options. */
interface Place {
  readonly path: string
  readonly commands: ReadonlyArray<Offer>
  readonly options: ReadonlyArray<Name>
}

/** The top, each group, each command. */
const placesOf = (commands: ReadonlyArray<Command>, groups: Readonly<Record<string, string>>): ReadonlyArray<Place> => {
  const first = (name: string): string => name.split(" ")[0] ?? ""
  const tops = [...new Set(commands.map(({ name }) => first(name)))]
  const meaning = (top: string): string => groups[top] ?? commands.find(({ name }) => name === top)?.summary ?? ""
  const below = (top: string) => commands.filter(({ name }) => name.startsWith(`${top} `))
  return [
    { path: "", commands: tops.map((top): Offer => [top, meaning(top)]), options: globals },
    ...tops
      .filter((top) => below(top).length > 0)
      .map((top) => ({
        path: top,
        commands: below(top).map(({ name, summary }): Offer => [name.slice(top.length + 1), summary]),
        options: globals
      })),
    ...commands.map(({ name, takes = [] }) => ({ path: name, commands: [], options: [...takes, ...globals] }))
  ]
}

/** In all three shells what stands in single quotes is itself; how a quote gets among it differs. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const valued = names.filter((name) => kindOf(name).value !== undefined)
const written = (name: Name): ReadonlyArray<string> => {
  const { short } = kindOf(name)
  return [...(short === undefined ? [] : [`-${short}`]), `--${name}`]
}
const choicesOf = (name: Name): ReadonlyArray<string> => {
  const { value = "" } = kindOf(name)
  return value.includes("|") ? value.split("|") : []
}

const anyOf = (names: ReadonlyArray<Name>): string => names.flatMap(written).join("|")
const those = (completes: "file" | "folder"): string =>
  anyOf(names.filter((name) => kindOf(name).completes === completes))
const free = (): string =>
  anyOf(valued.filter((name) => kindOf(name).completes === undefined && choicesOf(name).length === 0))
const choosing = names.filter((name) => choicesOf(name).length > 0)

/** The commands' words in front of the cursor, and the option whose value is being written: bash and zsh say it alike. */
const walk = (words: string): ReadonlyArray<string> => [
  `  for word in ${words}; do`,
  "    if [[ -n $option ]]; then option=; continue; fi",
  "    case $word in",
  `      ${anyOf(valued)}) option=$word ;;`,
  "      -*) ;;",
  '      *) if [[ $count -lt 2 ]]; then place="${place:+$place }$word"; fi; count=$((count + 1)) ;;',
  "    esac",
  "  done"
]

/** A command of one word may have arguments behind it. */
const pattern = ({ path }: Place): string =>
  path.includes(" ") || path === "" ? quoted(path) : `${quoted(path)}|${quoted(`${path} `)}*`

/** Those of two words first: a group's own pattern would take them, too. */
const ordered = (places: ReadonlyArray<Place>): ReadonlyArray<Place> =>
  places.toSorted((a, b) => b.path.split(" ").length - a.path.split(" ").length)

const bash = (places: ReadonlyArray<Place>): ReadonlyArray<string> => [
  "_aquifer() {",
  "  local line=${COMP_LINE:0:COMP_POINT} current= option= place= word= count=0 commands= options= IFS=$' \\t\\n'",
  "  local -a words",
  '  read -ra words <<< "$line"',
  "  if [[ $line != *[[:space:]] ]]; then",
  "    current=${words[${#words[@]}-1]}",
  "    unset 'words[${#words[@]}-1]'",
  "  fi",
  ...walk('"${words[@]:1}"'),
  "  if [[ -z $option && $current == --*=* ]]; then option=${current%%=*}; current=${current#*=}; fi",
  "  COMPREPLY=()",
  "  case $option in",
  ...choosing.map(
    (name) => `    ${anyOf([name])}) COMPREPLY=($(compgen -W '${choicesOf(name).join(" ")}' -- "$current")); return ;;`
  ),
  `    ${those("file")}) compopt -o filenames 2>/dev/null; IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$current")); return ;;`,
  `    ${those("folder")}) compopt -o filenames 2>/dev/null; IFS=$'\\n'; COMPREPLY=($(compgen -d -- "$current")); return ;;`,
  `    ${free()}) return ;;`,
  "  esac",
  "  case $place in",
  ...ordered(places).map(
    (place) =>
      `    ${pattern(place)}) commands=${quoted(place.commands.map(([word]) => word).join(" "))} options=${quoted(place.options.flatMap(written).join(" "))} ;;`
  ),
  "  esac",
  "  if [[ $current == -* ]]; then",
  '    COMPREPLY=($(compgen -W "$options" -- "$current"))',
  "  else",
  '    COMPREPLY=($(compgen -W "$commands" -- "$current"))',
  "  fi",
  "}",
  "complete -F _aquifer aquifer"
]

/** A colon ends what is offered and begins what it means. */
const described = ([word, meaning]: Offer): string => quoted(`${word}:${meaning}`)
const optionOffers = (names: ReadonlyArray<Name>): ReadonlyArray<Offer> =>
  names.flatMap((name) => written(name).map((one): Offer => [one, kindOf(name).meaning]))

const zsh = (places: ReadonlyArray<Place>): ReadonlyArray<string> => [
  "#compdef aquifer",
  "_aquifer() {",
  "  local current=${words[CURRENT]} option= place= word= count=0",
  "  local -a commands options",
  ...walk('"${(@)words[2,CURRENT-1]}"'),
  "  if [[ -z $option && $current == --*=* ]]; then option=${current%%=*}; compset -P '*='; fi",
  "  case $option in",
  ...choosing.map((name) => `    ${anyOf([name])}) compadd -- ${choicesOf(name).join(" ")}; return ;;`),
  `    ${those("file")}) _files; return ;;`,
  `    ${those("folder")}) _files -/; return ;;`,
  `    ${free()}) _message value; return ;;`,
  "  esac",
  "  case $place in",
  ...ordered(places).flatMap((place) => [
    `    ${pattern(place)})`,
    `      commands=(${place.commands.map(described).join(" ")})`,
    `      options=(${optionOffers(place.options).map(described).join(" ")}) ;;`
  ]),
  "  esac",
  "  if [[ $current == -* ]]; then _describe -o option options; else _describe command commands; fi",
  "}",
  // Read by `compinit` the file is the function's first call; read by `eval` it is not a call at all.
  'if [[ ${funcstack[1]} == _aquifer ]]; then _aquifer "$@"; else compdef _aquifer aquifer; fi'
]

/** What a fish option takes behind it: `-x` a value that is no file, `-r -F` a file. */
const taking = (name: Name): string => {
  const { completes, value } = kindOf(name)
  if (value === undefined) return ""
  if (completes === "file") return " -r -F"
  if (completes === "folder") return " -x -a '(__fish_complete_directories (commandline -ct))'"
  const choices = choicesOf(name)
  return choices.length === 0 ? " -x" : ` -x -a '${choices.join(" ")}'`
}

const fish = (places: ReadonlyArray<Place>): ReadonlyArray<string> => [
  "function __aquifer_place",
  "  set -l words",
  "  set -l option",
  "  set -l tokens (commandline -opc)",
  "  set -e tokens[1]",
  "  for word in $tokens",
  "    if set -q option[1]",
  "      set option",
  "      continue",
  "    end",
  "    switch $word",
  `      case ${valued.flatMap(written).join(" ")}`,
  "        set option $word",
  "      case '-*'",
  "      case '*'",
  "        test (count $words) -lt 2; and set words $words $word",
  "    end",
  "  end",
  '  echo "$words"',
  "end",
  "function __aquifer_at",
  '  test (__aquifer_place) = "$argv"',
  "end",
  "function __aquifer_in",
  '  string match -q -- "$argv *" (__aquifer_place)" "',
  "end",
  "complete -c aquifer -f",
  ...places.flatMap(({ commands, path }) =>
    commands.map(
      ([word, meaning]) =>
        `complete -c aquifer -n ${quoted(`__aquifer_at ${path === "" ? '""' : path}`)} -a ${word} -d ${fishQuoted(meaning)}`
    )
  ),
  ...globals.map((name) => fishOption(name)),
  ...places
    .filter(({ path }) => path !== "")
    .flatMap(({ options, path }) =>
      options.filter((name) => !globals.includes(name)).map((name) => fishOption(name, path))
    )
]

const fishQuoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const fishOption = (name: Name, path?: string): string => {
  const { meaning, short } = kindOf(name)
  const where = path === undefined ? "" : ` -n ${quoted(`__aquifer_in ${path}`)}`
  return `complete -c aquifer${where}${short === undefined ? "" : ` -s ${short}`} -l ${name}${taking(name)} -d ${fishQuoted(meaning)}`
}

const scripts = { bash, zsh, fish }

/** A shell's completion script. @since 0.1.0 @category conversions */
export const script = (
  commands: ReadonlyArray<Command>,
  groups: Readonly<Record<string, string>>,
  shell: Shell
): string => scripts[shell](placesOf(commands, groups)).join("\n")
