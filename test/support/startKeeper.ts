/**
 * Starts a keeper and speaks with it. The pipe to its standard input is the whole bond: when this process ends in whatever
 * way, the pipe closes and the keeper cleans up. It leads a session of its own, so no terminal's Ctrl-C reaches it.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** What the keeper says of its server. */
export interface Kept {
  readonly url: string
  readonly port: number
  /** The folder that holds the data and the server's log. */
  readonly home: string
  /** The postmaster's pid. */
  readonly server: number
}

/** A running keeper. */
export interface Keeper extends Kept {
  readonly pid: number | undefined
  /** Has the server stopped (cleanly or not) or started again on the same port; the data stays. */
  readonly tell: (word: "stop" | "start" | "crash") => Promise<void>
  /** Ends the server and deletes everything; done when the keeper is gone. */
  readonly close: () => Promise<void>
}

const own = fileURLToPath(new URL("./keeper.mjs", import.meta.url))

/** More than the keeper's own limits, so that its reason is heard first. */
const patience = 90_000

const within = async <A>(what: string, work: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the keeper: ${what} took more than ${patience / 1000} s`)), patience)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** How a keeper is started; tests of the keeper itself say more than the base. */
export interface KeeperOptions {
  /** Where all folders are made, instead of where the keeper finds best. */
  readonly base?: string | undefined
  /** Server settings, on top of the keeper's own. */
  readonly settings?: Readonly<Record<string, string>>
  readonly script?: string
  readonly uid?: number
  readonly gid?: number
}

export const startKeeper = async (options: KeeperOptions = {}): Promise<Keeper> => {
  const { base = process.env.AQUIFER_TEST_FOLDER ?? "", settings = {}, script = own, ...who } = options
  const child = spawn(process.execPath, [script, base, JSON.stringify(settings)], {
    ...who,
    cwd: "/",
    detached: true,
    stdio: ["pipe", "pipe", "pipe"]
  })
  let complaint = ""
  let started = false
  child.stderr.on("data", (chunk) => {
    // Before its start it goes into the failure; later there is nobody else to say it.
    if (started) process.stderr.write(`the keeper: ${chunk}`)
    else complaint += chunk
  })
  child.stdin.on("error", () => {
    // It is gone already; its exit says so.
  })
  const exited = once(child, "exit")
  const failed = exited.then(([code]) => {
    throw new Error(`the keeper ended with ${code}\n${complaint}`)
  })
  failed.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })
  const answers: Array<(line: string) => void> = []
  lines.on("line", (line) => answers.shift()?.(line))
  const answer = (what: string) =>
    within(what, Promise.race([new Promise<string>((resolve) => answers.push(resolve)), failed]))

  const close = async () => {
    child.stdin.end()
    await within("its end", exited)
  }
  try {
    const kept: Kept = JSON.parse(await answer("its start"))
    started = true
    return {
      ...kept,
      pid: child.pid,
      tell: async (word) => {
        const told = answer(word)
        child.stdin.write(`${word}\n`)
        const reply: { readonly done?: string; readonly failed?: string } = JSON.parse(await told)
        if (reply.failed !== undefined) throw new Error(reply.failed)
      },
      close
    }
  } catch (error) {
    child.stdin.end()
    throw error
  }
}
