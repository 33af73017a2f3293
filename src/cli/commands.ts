/**
 * The commands there are.
 *
 * @since 0.1.0
 */
import type { Command } from "./Command.js"
import { demo } from "./demo/command.js"
import { health } from "./health.js"
import * as Migrate from "./migrate.js"

/** In the order of the help. @since 0.1.0 @category commands */
export const commands: ReadonlyArray<Command> = [demo, Migrate.up, Migrate.down, Migrate.status, health]
