/**
 * The command table as `@effect/cli` wants it: values are decoded there. What comes in has passed
 * the guard; what goes wrong is told here in words of our own, because upstream's repeat what was written.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import * as CliOptions from "@effect/cli/Options"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Argument, Command } from "./Command.js"
import * as Guard from "./Guard.js"
import { builtIn, globals, kindOf, type Name, names, type Options, parserOf } from "./Options.js"
import { isUrl, shown } from "./words.js"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer)

/** What a leaf of the tree gives. */
interface Parsed {
  readonly options: Readonly<Record<string, unknown>>
  readonly args: ReadonlyArray<string>
}

/** How many arguments a command takes. @since 0.1.0 @category accessors */
export const bounds = (argument: Argument | undefined): readonly [least: number, most: number] =>
  argument === undefined ? [0, 0] : [argument.least ?? 1, argument.most ?? Math.max(1, argument.least ?? 1)]

const argumentOf = (argument: Argument): Args.Args<ReadonlyArray<string>> =>
  Args.between(Args.text({ name: argument.name }), ...bounds(argument))

const leaf = (name: string, command: Command): Descriptor.Command<Parsed> => {
  const own = [...(command.takes ?? []), ...globals].filter((option) => !builtIn.has(option))
  const options = CliOptions.all(Object.fromEntries(own.map((option) => [option, parserOf(option)] as const)))
  const parsed =
    command.argument === undefined
      ? Descriptor.map(Descriptor.make(name, options), (found): Parsed => ({ options: found.options, args: [] }))
      : Descriptor.make(name, options, argumentOf(command.argument))
  return Descriptor.withDescription(parsed, command.summary)
}

type Node = Descriptor.Command<Parsed>

const firstOf = (name: string): string => name.split(" ")[0] ?? ""

const group = (name: string, summary: string, children: ReadonlyArray<readonly [string, Node]>): Node => {
  const [first, ...others] = children
  const bare = Descriptor.withDescription(Descriptor.make(name), summary)
  const empty: Parsed = { options: {}, args: [] }
  if (first === undefined) return Descriptor.map(bare, () => empty)
  return Descriptor.map(Descriptor.withSubcommands(bare, [first, ...others]), ({ subcommand }) =>
    Option.match(subcommand, { onNone: () => empty, onSome: ([, parsed]) => parsed })
  )
}

/** The whole tree. @since 0.1.0 @category constructors */
export const tree = (
  commands: ReadonlyArray<Command>,
  groups: Readonly<Record<string, string>>,
  about: string
): Node => {
  const tops = [...new Set(commands.map(({ name }) => firstOf(name)))]
  return group(
    "aquifer",
    about,
    tops.map((top): readonly [string, Node] => {
      const single = commands.find(({ name }) => name === top)
      if (single !== undefined) return [top, leaf(top, single)]
      const below = commands.filter(({ name }) => firstOf(name) === top)
      return [
        top,
        group(
          top,
          groups[top] ?? "",
          below.map((command): readonly [string, Node] => {
            const second = command.name.slice(top.length + 1)
            return [second, leaf(second, command)]
          })
        )
      ]
    })
  )
}

/** Of an option: whether what was written for it can be decoded. */
const isGood = (name: Name, values: ReadonlyArray<string>) =>
  Effect.map(
    Effect.either(CliOptions.processCommandLine(parserOf(name), Guard.written(name, values), CliConfig.defaultConfig)),
    (either) => either._tag === "Right" && Option.isNone(either.right[0]) && either.right[1].length === 0
  )

const called = ({ name }: Argument): string => `${/^[aeiou]/.test(name) ? "an" : "a"} ${name}`

const checkArguments = (command: Command, args: ReadonlyArray<string>): Effect.Effect<void, Guard.UsageError> => {
  const [least, most] = bounds(command.argument)
  const { argument, name } = command
  if (args.some(isUrl)) {
    return Effect.fail(Guard.usageError(`aquifer ${name} was given a URL (not shown) in no option. Write --url URL`))
  }
  if (args.length > most) {
    const much =
      argument === undefined ? "no argument" : most === 1 ? "one argument; there is one more," : "fewer arguments;"
    return Effect.fail(
      Guard.usageError(`aquifer ${name} takes ${much} ${shown(args[most] ?? "")}. See aquifer ${name} --help`)
    )
  }
  if (args.length < least && argument !== undefined) {
    const much = least === 1 ? called(argument) : `${least} ${argument.name}s`
    const example = Array.from({ length: least }, () => `<${argument.name}>`).join(" ")
    return Effect.fail(Guard.usageError(`aquifer ${name} needs ${much}. Write aquifer ${name} ${example}`))
  }
  return Effect.void
}

/** Decodes what the guard let through. @since 0.1.0 @category parsing */
export const parse = (
  root: Node,
  command: Command,
  given: Guard.Written["given"],
  args: ReadonlyArray<string>
): Effect.Effect<{ readonly options: Options; readonly args: ReadonlyArray<string> }, Guard.UsageError> =>
  Effect.gen(function* () {
    yield* checkArguments(command, args)
    for (const [name, values] of given) {
      if (kindOf(name).value === undefined || (yield* isGood(name, values))) continue
      const { expects, value } = kindOf(name)
      return yield* Effect.fail(Guard.usageError(`--${name} takes ${expects}. Write --${name} ${value ?? ""}`))
    }
    // What is built in there is read by us: it would be acted on before the command.
    const ours = new Map([...given].filter(([name]) => !builtIn.has(name)))
    const directive = yield* Descriptor.parse(
      root,
      ["aquifer", ...Guard.normal(command.name.split(" "), ours, args)],
      CliConfig.defaultConfig
    )
    if (directive._tag !== "UserDefined" || directive.leftover.length > 0) return yield* notUnderstood(command)
    const found = directive.value
    const nothing = Object.fromEntries(
      names.map((name) => [name, kindOf(name).value === undefined ? false : kindOf(name).many ? [] : undefined])
    )
    // Each option was decoded by the parser that stands under its name in the table.
    const options = {
      ...nothing,
      ...found.options,
      "log-level": given.get("log-level")?.[0]
    } as unknown as Options
    return { options, args: found.args }
  }).pipe(
    Effect.catchAll((error) => (error._tag === "UsageError" ? Effect.fail(error) : notUnderstood(command))),
    Effect.provide(platform)
  )

const notUnderstood = (command: Command): Effect.Effect<never, Guard.UsageError> =>
  Effect.fail(Guard.usageError(`aquifer ${command.name} was not understood. See aquifer ${command.name} --help`))
