/** A PostgreSQL of the bench's own, with the tables every workload uses; or the one `BENCH_DATABASE_URL` names. */
import { fileURLToPath } from "node:url"
import pg from "pg"
import { startKeeper } from "../test/support/startKeeper.js"

const tables = `
  DROP TABLE IF EXISTS items, wide, accounts, sink, numbers;
  CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL);
  INSERT INTO items SELECT i, 'name ' || i, 'someone' || i || '@example.org' FROM generate_series(1, 10000) i;
  CREATE TABLE wide (id int PRIMARY KEY, ${Array.from({ length: 19 }, (_, i) => `c${i} ${i % 3 === 0 ? "int" : "text"}`).join(", ")});
  INSERT INTO wide SELECT i, ${Array.from({ length: 19 }, (_, i) => (i % 3 === 0 ? "i" : "'value ' || i")).join(", ")} FROM generate_series(1, 100) i;
  CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL) WITH (fillfactor = 50);
  INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, 10000) i;
  CREATE TABLE sink (id int, name text, value float8);
  CREATE TABLE numbers AS SELECT i AS id, 'row ' || i AS name, i * 1.5::float8 AS value FROM generate_series(1, 1000000) i;
  CREATE OR REPLACE FUNCTION slow(millis int) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM pg_sleep(millis / 1000.0); RETURN millis; END $$;
  VACUUM ANALYZE`

/** Its address, and how it ends. */
export const server = async (): Promise<{ readonly url: string; readonly version: string; close(): Promise<void> }> => {
  const given = process.env.BENCH_DATABASE_URL
  const script = fileURLToPath(new URL("../../../test/support/keeper.mjs", import.meta.url))
  const keeper = given === undefined ? await startKeeper({ script, settings: { max_connections: "200" } }) : undefined
  const url = given ?? keeper?.url ?? ""
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  // One at a time: VACUUM refuses to run among others.
  for (const text of tables.split(/;\n(?! *RETURN)/)) await client.query(text)
  const { rows } = await client.query("SHOW server_version")
  await client.end()
  return { url, version: rows[0].server_version, close: async () => keeper?.close() }
}
