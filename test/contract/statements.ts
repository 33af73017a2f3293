/** What every statement form promises, and what `SqlSchema`, `SqlResolver`, `Model`, the queue and `reactive` build on it. */

import * as PersistedQueue from "@effect/experimental/PersistedQueue"
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Model from "@effect/sql/Model"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlPersistedQueue from "@effect/sql/SqlPersistedQueue"
import * as SqlResolver from "@effect/sql/SqlResolver"
import * as SqlSchema from "@effect/sql/SqlSchema"
import { expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Transaction } from "effect-aquifer"
import { contract, type Product } from "./contract.js"

const people = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT)`
  yield* sql`INSERT INTO people ${sql.insert([
    { id: 1, name: "Ada", city: "London" },
    { id: 2, name: "Grace", city: null },
    { id: 3, name: "Edsger", city: "London" }
  ])}`
  return sql
})

class Person extends Schema.Class<Person>("Person")({
  id: Schema.Int,
  name: Schema.String,
  city: Schema.NullOr(Schema.String)
}) {}

class Note extends Model.Class<Note>("Note")({
  id: Model.Generated(Schema.Int),
  text: Schema.String
}) {}

export const statements = (product: Product) => {
  contract("statements", product, (it) => {
    it("rows come back as objects, in order", () =>
      Effect.gen(function* () {
        const sql = yield* people
        expect(yield* sql`SELECT id, name FROM people WHERE city = ${"London"} ORDER BY id`).toEqual([
          { id: 1, name: "Ada" },
          { id: 3, name: "Edsger" }
        ])
      }))

    it("values come as arrays, raw as the driver has it, unprepared as rows", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const statement = sql<{ name: string }>`SELECT name FROM people WHERE id = ${1}`
        expect(yield* statement.values).toEqual([["Ada"]])
        expect(yield* statement.unprepared).toEqual([{ name: "Ada" }])
        expect(yield* statement.withoutTransform).toEqual([{ name: "Ada" }])
        expect(yield* statement.raw).toBeTypeOf("object")
        // One form must not stick to the cached statement of another.
        expect(yield* statement).toEqual([{ name: "Ada" }])
      }))

    it("a stream gives every row, and ends early without keeping the connection", () =>
      Effect.gen(function* () {
        const sql = yield* people
        yield* Effect.forEach(
          Array.from({ length: 30 }, (_, i) => 100 + i * 100),
          (from) =>
            sql`INSERT INTO people ${sql.insert(Array.from({ length: 100 }, (_, i) => ({ id: from + i, name: `p${i}`, city: null })))}`
        )
        const all = sql<{ id: number }>`SELECT id FROM people ORDER BY id`.stream
        expect(yield* Stream.runCount(all)).toBe(3003)
        for (let i = 0; i < 15; i++) {
          const first = yield* Stream.runCollect(Stream.take(all, 2))
          expect(Chunk.toReadonlyArray(first).map((row) => row.id)).toEqual([1, 2])
        }
        expect(yield* sql`SELECT count(*) AS n FROM people`.values).toHaveLength(1)
      }))

    it("a stream inside a transaction sees what the transaction wrote, and the transaction goes on after it", () =>
      Effect.gen(function* () {
        const sql = yield* people
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`INSERT INTO people ${sql.insert({ id: 9, name: "New", city: null })}`
            const names = yield* Stream.runCollect(sql<{ name: string }>`SELECT name FROM people ORDER BY id`.stream)
            expect(Chunk.toReadonlyArray(names).at(-1)).toEqual({ name: "New" })
            yield* Stream.runCollect(Stream.take(sql`SELECT name FROM people`.stream, 1))
            yield* sql`UPDATE people SET name = ${"Newer"} WHERE id = 9`
          })
        )
        expect(yield* sql`SELECT name FROM people WHERE id = 9`).toEqual([{ name: "Newer" }])
      }))

    it("an update gives its rows back where it is asked to", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const rows = yield* sql`UPDATE people SET city = ${"Paris"} WHERE id IN ${sql.in([1, 2])} RETURNING id`
        expect(rows).toHaveLength(2)
      }))

    it(
      "names are transformed both ways where the options say so",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`CREATE TABLE words (id INTEGER PRIMARY KEY, first_word TEXT)`
          yield* sql`INSERT INTO words ${sql.insert({ id: 1, firstWord: "a" })}`
          expect(yield* sql`SELECT ${sql("firstWord")} FROM words`).toEqual([{ firstWord: "a" }])
          expect(yield* sql.withoutTransforms()`SELECT first_word FROM words`).toEqual([{ first_word: "a" }])
        }),
      {
        transformQueryNames: (name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        transformResultNames: (name) => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      }
    )

    it("two hundred fibers share the pool and every one gets its own answer", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const answers = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (i) => Effect.map(sql<{ n: number }>`SELECT ${i} + id AS n FROM people WHERE id = 1`, (rows) => rows[0]?.n),
          { concurrency: "unbounded" }
        )
        expect(answers.map(Number)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
      }))
  })

  contract("libraries on the SqlClient", product, (it) => {
    it("SqlSchema decodes rows and encodes requests", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const byCity = SqlSchema.findAll({
          Request: Schema.String,
          Result: Person,
          execute: (city) => sql`SELECT * FROM people WHERE city = ${city} ORDER BY id`
        })
        expect((yield* byCity("London")).map((person) => person.name)).toEqual(["Ada", "Edsger"])
        const one = SqlSchema.findOne({
          Request: Schema.Int,
          Result: Person,
          execute: (id) => sql`SELECT * FROM people WHERE id = ${id}`
        })
        expect(Option.isNone(yield* one(77))).toBe(true)
      }))

    it("an ordered resolver writes a batch in one statement and keeps the order", () =>
      Effect.gen(function* () {
        const sql = yield* people
        let statements = 0
        const insert = yield* SqlResolver.ordered("InsertPerson", {
          Request: Person,
          Result: Person,
          execute: (requests) => {
            statements++
            return sql`INSERT INTO people ${sql.insert(requests).returning("*")}`
          }
        })
        const made = yield* Effect.forEach(
          [11, 12, 13],
          (id) => insert.execute(new Person({ id, name: `p${id}`, city: null })),
          { batching: true, concurrency: "unbounded" }
        )
        expect(made.map((person) => person.id)).toEqual([11, 12, 13])
        expect(statements).toBe(1)
      }))

    it("resolvers by id and by group answer a batch in one statement, nothing for what is not there", () =>
      Effect.gen(function* () {
        const sql = yield* people
        let statements = 0
        const byId = yield* SqlResolver.findById("PersonById", {
          Id: Schema.Int,
          Result: Person,
          ResultId: (person) => person.id,
          execute: (ids) => {
            statements++
            return sql`SELECT * FROM people WHERE id IN ${sql.in(ids)}`
          }
        })
        const found = yield* Effect.forEach([3, 99, 1], byId.execute, { batching: true, concurrency: "unbounded" })
        expect(found.map(Option.map((person) => person.name))).toEqual([
          Option.some("Edsger"),
          Option.none(),
          Option.some("Ada")
        ])
        expect(statements).toBe(1)
        const byCity = yield* SqlResolver.grouped("PeopleByCity", {
          Request: Schema.String,
          RequestGroupKey: (city) => city,
          Result: Person,
          ResultGroupKey: (person) => person.city ?? "",
          execute: (cities) => sql`SELECT * FROM people WHERE city IN ${sql.in(cities)} ORDER BY id`
        })
        const londoners = yield* byCity.execute("London")
        expect(londoners.map((person) => person.id)).toEqual([1, 3])
      }))

    it("a resolver inside a transaction works in that transaction", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const byId = yield* SqlResolver.findById("PersonById", {
          Id: Schema.Int,
          Result: Person,
          ResultId: (person) => person.id,
          execute: (ids) => sql`SELECT * FROM people WHERE id IN ${sql.in(ids)}`
        })
        const seen = yield* Transaction.run(
          Effect.gen(function* () {
            yield* sql`INSERT INTO people ${sql.insert({ id: 50, name: "Inside", city: null })}`
            return yield* byId.execute(50)
          })
        )
        expect(Option.map(seen, (person) => person.name)).toEqual(Option.some("Inside"))
      }))

    it("a Model repository inserts, finds, updates and deletes", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql.onDialectOrElse({
          pg: () => sql`CREATE TABLE notes (id INTEGER PRIMARY KEY GENERATED ALWAYS AS IDENTITY, text TEXT NOT NULL)`,
          orElse: () => sql`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)`
        })
        const notes = yield* Model.makeRepository(Note, { tableName: "notes", spanPrefix: "Notes", idColumn: "id" })
        const made = yield* notes.insert(Note.insert.make({ text: "first" }))
        expect(made.text).toBe("first")
        const changed = yield* notes.update(Note.update.make({ id: made.id, text: "second" }))
        expect(changed.text).toBe("second")
        expect(Option.map(yield* notes.findById(made.id), (note) => note.text)).toEqual(Option.some("second"))
        yield* notes.delete(made.id)
        expect(Option.isNone(yield* notes.findById(made.id))).toBe(true)
      }))

    it("a reactive query runs again when its keys are invalidated", () =>
      Effect.gen(function* () {
        const sql = yield* people
        const counts = (first: Deferred.Deferred<void>) =>
          sql.reactive(["people"], sql<{ n: number }>`SELECT count(*) AS n FROM people`).pipe(
            Stream.map((rows) => Number(rows[0]?.n)),
            Stream.tap(() => Deferred.succeed(first, undefined)),
            Stream.take(2),
            Stream.runCollect
          )
        const first = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(counts(first))
        yield* Deferred.await(first)
        yield* Reactivity.mutation(sql`INSERT INTO people ${sql.insert({ id: 4, name: "x", city: null })}`, ["people"])
        expect(Chunk.toReadonlyArray(yield* Fiber.join(fiber))).toEqual([3, 4])
      }))

    it("the persisted queue delivers each element once, and again after a failure", () =>
      Effect.gen(function* () {
        const queue = yield* PersistedQueue.make({ name: "jobs", schema: Schema.Struct({ n: Schema.Int }) })
        for (const n of [1, 2, 3]) yield* queue.offer({ n })
        const failed = yield* Effect.exit(queue.take(({ n }) => Effect.fail(n), { maxAttempts: 3 }))
        const taken: Array<number> = []
        for (let i = 0; i < 3; i++) {
          yield* queue.take(({ n }) => Effect.sync(() => taken.push(n)))
        }
        expect(failed._tag).toBe("Failure")
        expect(taken.sort()).toEqual([1, 2, 3])
      }).pipe(
        Effect.provide(
          PersistedQueue.layer.pipe(Layer.provide(SqlPersistedQueue.layerStore({ pollInterval: "20 millis" })))
        )
      ))
  })
}
