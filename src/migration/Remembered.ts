/**
 * What this process has read of a folder of migrations, so that a file nobody has touched is not read again: hundreds of
 * them are looked at whenever somebody asks how things stand. A file is the one that was read while its inode, size and
 * both its times are the same; the time of change is the system's own and cannot be set back. Never trusted: a file that
 * was changed shortly before it was read, because a second change might leave the same times.
 *
 * @since 0.1.0
 */
import type { Stats } from "node:fs"

/** Coarser than any file system's clock: the coarsest counts in steps of two seconds. */
const settled = 3_000

/** A process that goes through more folders than this has no use for what it read of the first. */
const most = 16

interface Known<A> {
  readonly stats: Stats
  readonly value: A
}

const alike = (a: Stats, b: Stats): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.dev === b.dev

/** What was read of one folder at one time. @since 0.1.0 @category models */
export interface Folder<A> {
  /** What was made of this file, if it is still the same. */
  readonly get: (name: string, stats: Stats) => A | undefined
  /** `stats` from before it was read. */
  readonly set: (name: string, stats: Stats, value: A) => void
  /** All that was found this time, frozen; the very array of the last time where that held the same. */
  readonly whole: (found: ReadonlyArray<A>) => ReadonlyArray<A>
}

/** What is kept of all folders. @since 0.1.0 @category models */
export interface Memory<A> {
  /** Opens a folder under a name of its own; files that are not asked for, or set, this time are forgotten. `now` in ms. */
  readonly folder: (name: string, now: number) => Folder<A>
}

/** @since 0.1.0 @category constructors */
export const make = <A>(): Memory<A> => {
  const folders = new Map<string, ReadonlyMap<string, Known<A>>>()
  const wholes = new WeakMap<ReadonlyMap<string, Known<A>>, ReadonlyArray<A>>()
  return {
    folder: (name, now) => {
      const before = folders.get(name)
      const known = new Map<string, Known<A>>()
      folders.delete(name)
      folders.set(name, known)
      for (const oldest of folders.keys()) {
        if (folders.size <= most) break
        folders.delete(oldest)
      }
      return {
        get: (name, stats) => {
          const found = before?.get(name)
          if (found === undefined || !alike(found.stats, stats)) return undefined
          known.set(name, found)
          return found.value
        },
        set: (name, stats, value) => {
          if (now - Math.max(stats.mtimeMs, stats.ctimeMs) > settled) known.set(name, { stats, value })
        },
        whole: (found) => {
          const last = before === undefined ? undefined : wholes.get(before)
          const same = last?.length === found.length && last.every((one, i) => one === found[i])
          const whole = same ? last : Object.freeze([...found])
          wholes.set(known, whole)
          return whole
        }
      }
    }
  }
}
