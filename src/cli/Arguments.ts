/**
 * How many arguments a command takes, and whether that is what was written.
 *
 * @since 0.1.0
 */
import type { Argument, Command } from "./Command.js"
import { type UsageError, usageError } from "./Guard.js"
import { isUrl, shown } from "./words.js"

/** @since 0.1.0 @category accessors */
export const bounds = (argument: Argument | undefined): readonly [least: number, most: number] =>
  argument === undefined ? [0, 0] : [argument.least ?? 1, argument.most ?? Math.max(1, argument.least ?? 1)]

const called = ({ name }: Argument): string => `${/^[aeiou]/.test(name) ? "an" : "a"} ${name}`

/** What is wrong with them, if anything is. @since 0.1.0 @category guards */
export const problem = (command: Command, args: ReadonlyArray<string>): UsageError | undefined => {
  const [least, most] = bounds(command.argument)
  const { argument, name } = command
  if (args.some(isUrl)) {
    return usageError(`aquifer ${name} was given a URL (not shown) in no option. Write --url URL`)
  }
  if (args.length > most) {
    const much =
      argument === undefined ? "no argument" : most === 1 ? "one argument; there is one more," : "fewer arguments;"
    return usageError(`aquifer ${name} takes ${much} ${shown(args[most] ?? "")}. See aquifer ${name} --help`)
  }
  if (args.length < least && argument !== undefined) {
    const much = least === 1 ? called(argument) : `${least} ${argument.name}s`
    const example = Array.from({ length: least }, () => `<${argument.name}>`).join(" ")
    return usageError(`aquifer ${name} needs ${much}. Write aquifer ${name} ${example}`)
  }
  return undefined
}
