#!/usr/bin/env node
/**
 * The executable `aquifer`. In a project that has a copy of its own, that one runs, wherever this one was started from:
 * migrations must see the very `effect` the project has. What is only answered loads nothing that runs.
 *
 * @since 0.1.0
 */
import process from "node:process"
import { pathToFileURL } from "node:url"
import { projectsOwn } from "./cli/handOver.js"

const own = projectsOwn(process.cwd(), import.meta.url)
if (own !== undefined) {
  await import(pathToFileURL(own).href)
} else {
  const [Line, { tell }, { styleOf }] = await Promise.all([
    import("./cli/Line.js"),
    import("./cli/Answer.js"),
    import("./cli/Style.js")
  ])
  // Read here as it is: what reads it elsewhere is not loaded yet.
  const line = Line.read(process.argv.slice(2), styleOf(process.stdout, (process.env.NO_COLOR ?? "") !== ""))
  if (line._tag === "Answer") tell(line)
  else {
    const [{ main }, { runMain }] = await Promise.all([import("./cli/main.js"), import("./cli/Process.js")])
    runMain(main(line))
  }
}
