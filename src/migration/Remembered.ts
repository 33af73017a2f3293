/**
 * What this process has read of a folder of migrations, so that a file nobody has touched is not read again: hundreds of
 * them are looked at whenever somebody asks how things stand, and mostly all are as they were. A file is the one that was read while its inode, size and
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
  /**
   * Opens a folder under a name of its own, which holds these entries; files that are not asked for, or set, this time are
   * forgotten. `now` in ms.
   */
  readonly folder: (name: string, entries: ReadonlyArray<string>, now: number) => Folder<A>
  /** What `whole` gave the last time, if the folder holds the same entries still and no file was touched. */
  readonly untouched: (
    name: string,
    entries: ReadonlyArray<string>,
    statsOf: (file: string) => Stats | undefined
  ) => ReadonlyArray<A> | undefined
}

/** What is known of one folder. */
interface Kept<A> {
  readonly entries: ReadonlyArray<string>
  readonly files: Map<string, Known<A>>
  whole: ReadonlyArray<A> | undefined
}

/** @since 0.1.0 @category constructors */
export const make = <A>(): Memory<A> => {
  const folders = new Map<string, Kept<A>>()
  /** The one that was used last is the last to go. */
  const keep = (name: string, kept: Kept<A>) => {
    folders.delete(name)
    folders.set(name, kept)
    for (const oldest of folders.keys()) {
      if (folders.size <= most) break
      folders.delete(oldest)
    }
  }
  return {
    folder: (name, entries, now) => {
      const before = folders.get(name)
      const kept: Kept<A> = { entries, files: new Map(), whole: undefined }
      keep(name, kept)
      return {
        get: (file, stats) => {
          const found = before?.files.get(file)
          if (found === undefined || !alike(found.stats, stats)) return undefined
          kept.files.set(file, found)
          return found.value
        },
        set: (file, stats, value) => {
          if (now - Math.max(stats.mtimeMs, stats.ctimeMs) > settled) kept.files.set(file, { stats, value })
        },
        whole: (found) => {
          const last = before?.whole
          const same = last?.length === found.length && last.every((one, i) => one === found[i])
          kept.whole = same ? last : Object.freeze([...found])
          return kept.whole
        }
      }
    },
    untouched: (name, entries, statsOf) => {
      const kept = folders.get(name)
      // A file that was too young to be known, or could not be read, is looked at again.
      if (kept?.whole === undefined || kept.whole.length !== kept.files.size) return undefined
      if (kept.entries.length !== entries.length || !entries.every((one, i) => one === kept.entries[i]))
        return undefined
      for (const [file, known] of kept.files) {
        const stats = statsOf(file)
        if (stats === undefined || !alike(known.stats, stats)) return undefined
      }
      keep(name, kept)
      return kept.whole
    }
  }
}
