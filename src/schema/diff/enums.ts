/**
 * Enums: new, gone, with more words, or, because a product can add words but not take them away, made anew.
 *
 * @since 0.1.0
 */
import { make } from "../../model/Change.js"
import type { LiveEnum } from "../../model/LiveSchema.js"
import { type Remade, type Step, step } from "./Pair.js"

/** @since 0.1.0 @category models */
export interface Enums {
  readonly steps: ReadonlyArray<Step>
  readonly remade: Remade
}

/** `dropped`: whether one that nobody declared goes. @since 0.1.0 @category comparisons */
export const enums = (
  wanted: ReadonlyArray<LiveEnum>,
  live: ReadonlyArray<LiveEnum>,
  dropped: (name: string) => boolean
): Enums => {
  const steps: Array<Step> = []
  const remade = new Map<string, LiveEnum>()
  for (const { name, values } of wanted) {
    const is = live.find((one) => one.name === name)?.values
    if (is === undefined) {
      steps.push(step("enums", make.CreateEnum({ name, values })))
    } else if (is.join("\n") === values.filter((value) => is.includes(value)).join("\n")) {
      steps.push(...added(name, values, is))
    } else {
      remade.set(name, { name, values })
      steps.push(
        step("enums remade", make.DropEnum({ name, was: is })),
        step("enums remade", make.CreateEnum({ name, values }))
      )
    }
  }
  for (const { name, values } of live) {
    if (wanted.some((one) => one.name === name) || !dropped(name)) continue
    steps.push(step("enums dropped", make.DropEnum({ name, was: values })))
  }
  return { steps, remade }
}

/** Each behind the one before it, which is there by then; the first in front of what was first. */
const added = (name: string, values: ReadonlyArray<string>, is: ReadonlyArray<string>): ReadonlyArray<Step> =>
  values.flatMap((value, i) => {
    if (is.includes(value)) return []
    const place =
      i === 0 ? { before: is[0] } : values.slice(i).every((one) => !is.includes(one)) ? {} : { after: values[i - 1] }
    return [step("enums", make.AddEnumValue({ name, value, ...place }))]
  })
