/**
 * Those who follow a pool's counts. Whoever is slow misses what was in between and sees the latest; where nobody listens,
 * a change costs one comparison.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

type News = "changed" | "over"

/** @since 0.1.0 @category models */
export class Watchers {
  private readonly listeners = new Set<Queue.Queue<News>>()
  private over = false

  get watched(): boolean {
    return this.listeners.size > 0
  }

  /** Something changed. */
  tell() {
    if (this.listeners.size > 0) for (const listener of this.listeners) listener.unsafeOffer("changed")
  }

  /** Nothing will change any more. */
  end() {
    this.over = true
    for (const listener of this.listeners) listener.unsafeOffer("over")
  }

  /** What `look` sees at first and after each change, as long as there are any. */
  follow<A>(look: Effect.Effect<A>): Stream.Stream<A> {
    return Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(
          Effect.tap(Queue.sliding<News>(1), (queue) => Effect.sync(() => this.listeners.add(queue))),
          (queue) => Effect.sync(() => this.listeners.delete(queue))
        ),
        (queue) => {
          const later = Stream.unfoldEffect<News, A, never, never>("changed", (last) =>
            last === "over"
              ? Effect.succeedNone
              : Effect.flatMap(Queue.take(queue), (news) => Effect.map(look, (seen) => Option.some([seen, news])))
          )
          return Stream.concat(
            Stream.fromEffect(look),
            Stream.suspend(() => (this.over ? Stream.empty : later))
          )
        }
      )
    )
  }
}
