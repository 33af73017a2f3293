/** What the bench uses of a driver that ships no declarations. */
declare module "pg-cursor" {
  import type { Submittable } from "pg"
  export default class Cursor implements Submittable {
    constructor(text: string, values?: Array<unknown>)
    submit(connection: import("pg").Connection): void
    read(rows: number): Promise<Array<unknown>>
  }
}
