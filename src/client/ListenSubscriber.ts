/**
 * What one listener has yet to read. Bounded: a listener who falls behind by more loses the newest, and is told so in their
 * place by a `Gap`, instead of filling the memory.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DatabaseError, ResourceError } from "../model/DatabaseError.js"

/** @since 0.1.0 @category models */
export interface Notification {
  readonly _tag: "Notification"
  readonly channel: string
  /** May be empty. */
  readonly payload: string
}

/**
 * Notifications have been missed just before this point; the channel is listened to again. `cause`: why.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gap {
  readonly _tag: "Gap"
  readonly channel: string
  readonly cause: DatabaseError
}

/** @since 0.1.0 @category models */
export type Heard = Notification | Gap

/** Unread notifications one listener may have. @since 0.1.0 @category defaults */
export const unreadLimit = 16_384

const behind = new ResourceError({
  operation: "listen",
  reason: `more than ${unreadLimit} notifications were waiting to be read`,
  hint: "Do less between two notifications, or take them off the stream into a queue that may drop some"
})

/** @since 0.1.0 @category models */
export class Subscriber {
  private unread: Array<Heard> = []
  private failure: DatabaseError | undefined
  private wake: (() => void) | undefined

  offer(item: Heard): void {
    if (this.unread.length < unreadLimit) this.unread.push(item)
    else if (this.unread.length === unreadLimit) {
      this.unread.push({ _tag: "Gap", channel: item.channel, cause: item._tag === "Gap" ? item.cause : behind })
    }
    this.wake?.()
  }

  /** What has been heard is read before this. */
  fail(error: DatabaseError): void {
    this.failure ??= error
    this.wake?.()
  }

  /** All there is, or the next one. */
  readonly take: Effect.Effect<Chunk.Chunk<Heard>, Option.Option<DatabaseError>> = Effect.async((resume) => {
    const look = () => {
      if (this.unread.length > 0) {
        const read = this.unread
        this.unread = []
        resume(Effect.succeed(Chunk.unsafeFromArray(read)))
      } else if (this.failure !== undefined) resume(Effect.fail(Option.some(this.failure)))
      else return false
      this.wake = undefined
      return true
    }
    if (look()) return
    this.wake = look
    return Effect.sync(() => {
      this.wake = undefined
    })
  })
}
