/** A database layer whose dialect is made to lie or to forget: what the harness must notice, and what no server says on demand. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Database, DatabaseConfig, type Dialect } from "effect-aquifer"
import * as Client from "../../src/client/Client.js"
import * as Connections from "../../src/connection/Connections.js"
import { postgres } from "../../src/dialect/postgres/index.js"

type Ask = Option.Option.Value<Dialect.Dialect["fate"]>

/** PostgreSQL with another answer to "what became of it?"; `ask` is how it would be asked. */
export const layerWithFate = (options: Database.Options, fate: (ask: Ask) => Ask): Layer.Layer<SqlClient.SqlClient> =>
  Layer.scoped(
    SqlClient.SqlClient,
    Effect.gen(function* () {
      const config = yield* DatabaseConfig.make(options)
      const dialect = { ...postgres, fate: Option.map(postgres.fate, fate) }
      return yield* Client.make(yield* Connections.make(config, dialect))
    })
  ).pipe(Layer.provide(Reactivity.layer), Layer.orDie)
