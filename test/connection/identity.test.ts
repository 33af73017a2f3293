/** Behind which statements a transaction's id is asked for, and that none is ever taken for "wrote nothing" unasked. */
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { Identity } from "../../src/connection/Identity.js"
import { Text } from "../../src/connection/Texts.js"

const texts = () => {
  const known = new Map<string, Text>()
  return (text: string): Text => {
    const found = known.get(text) ?? new Text("read", false)
    known.set(text, found)
    return found
  }
}

/** The statements of one transaction; what each asked with. Answers come at once and bring no id. */
const transaction = (textOf: (text: string) => Text, statements: ReadonlyArray<string>) => {
  const identity = new Identity(textOf)
  const asked = statements.map((text) => {
    const mark = identity.asksBehind(text)
    if (mark > 0) identity.learn(undefined, mark)
    return mark > 0
  })
  return { asked, missing: identity.missing() }
}

it("a text that transactions have gone on behind leaves the question to the next one", () => {
  const textOf = texts()
  expect(transaction(textOf, ["a", "b"])).toEqual({ asked: [true, true], missing: false })
  expect(transaction(textOf, ["a", "b"])).toEqual({ asked: [false, true], missing: false })
})

it("where none follows it is asked for before COMMIT, and behind that text ever after", () => {
  const textOf = texts()
  transaction(textOf, ["a", "b"])
  expect(transaction(textOf, ["a"])).toEqual({ asked: [false], missing: true })
  expect(transaction(textOf, ["a", "b"])).toEqual({ asked: [true, true], missing: false })
  expect(transaction(textOf, ["a", "b"])).toEqual({ asked: [true, true], missing: false })
})

it("an answer tells of what was sent before its question, not behind it", () => {
  const textOf = texts()
  transaction(textOf, ["b", "c"])
  const identity = new Identity(textOf)
  const mark = identity.asksBehind("a")
  expect(identity.asksBehind("b")).toBe(0)
  identity.learn(undefined, mark)
  expect(identity.missing()).toBe(true)
})

it("known is known: nothing is asked any more", () => {
  const identity = new Identity(texts())
  identity.learn("7", identity.asksBehind("a"))
  expect(identity.asksBehind("b")).toBe(0)
  identity.mayHaveCome()
  expect(identity.missing()).toBe(false)
  expect(identity.id).toBe("7")
})

it("where nobody asks nothing is missing", () => {
  const identity = new Identity(undefined)
  expect(identity.asksBehind("a")).toBe(0)
  identity.mayHaveCome()
  expect(identity.missing()).toBe(false)
})

it("whatever the order of texts, streams and lost answers: unless asked behind the last of them, it is missing", () => {
  const step = fc.record({
    text: fc.constantFrom("a", "b", "c"),
    how: fc.constantFrom("answered", "abandoned", "stream")
  })
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 12 }), (transactions) => {
      const textOf = texts()
      for (const steps of transactions) {
        const identity = new Identity(textOf)
        let told = true
        for (const { how, text } of steps) {
          if (how === "stream") identity.mayHaveCome()
          const mark = how === "stream" ? 0 : identity.asksBehind(text)
          told = mark > 0 && how === "answered"
          if (told) identity.learn(undefined, mark)
        }
        expect(identity.missing()).toBe(steps.length > 0 && !told)
      }
    })
  )
})
