/** What the package lets in: each public module by its own name, and nothing behind it. */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { expect, it } from "@effect/vitest"

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), "utf8")

const exported = JSON.parse(read("package.json")).exports as Record<string, Record<string, string> | string>

it("every module of the index is an entry of its own", () => {
  const modules = [...read("src/index.ts").matchAll(/export \* as (\w+) from "\.\/(.+)\.js"/g)]
  expect(modules.length).toBeGreaterThan(15)
  for (const [, name, path] of modules) {
    expect(exported[`./${name}`]).toEqual({
      "effect-aquifer:source": `./src/${path}.ts`,
      types: `./dist/${path}.d.ts`,
      default: `./dist/${path}.js`
    })
  }
  const others = Object.keys(exported).filter((entry) => !modules.some(([, name]) => entry === `./${name}`))
  expect(others.sort()).toEqual([".", "./app", "./http", "./package.json", "./testing"])
})

it("what is not public cannot be imported", () => {
  const resolve = createRequire(import.meta.url).resolve
  for (const inside of ["connection/PoolCore", "dialect/postgres/connect", "src/index.ts", "dist/index.js"]) {
    expect(() => resolve(`effect-aquifer/${inside}`)).toThrow(/not defined by "exports"|is not exported/)
  }
})
