#!/usr/bin/env node
import process from "node:process"
/**
 * The executable `aquifer`. In a project that has a copy of its own, that one runs, wherever this one was started from:
 * migrations must see the very `effect` the project has.
 *
 * @since 0.1.0
 */
import { pathToFileURL } from "node:url"
import { projectsOwn } from "./cli/handOver.js"

const own = projectsOwn(process.cwd(), import.meta.url)
if (own !== undefined) {
  await import(pathToFileURL(own).href)
} else {
  const [{ main }, { runMain }] = await Promise.all([import("./cli/main.js"), import("./cli/Process.js")])
  runMain(main(process.argv.slice(2)))
}
