#!/usr/bin/env node
/**
 * The executable `aquifer`.
 *
 * @since 0.1.0
 */
import process from "node:process"
import { main } from "./cli/main.js"
import { runMain } from "./cli/Process.js"

runMain(main(process.argv.slice(2)))
