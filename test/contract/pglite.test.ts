import { afterAll } from "vitest"
import { end } from "../dialect/pglite/shared.js"
import { apart } from "./apart.js"
import { lacksAreTrue } from "./contract.js"
import { errors } from "./errors.js"
import { models } from "./models.js"
import { pooling } from "./pooling.js"
import { pglite } from "./products.js"
import { rows } from "./rows.js"
import { statements } from "./statements.js"
import { together } from "./together.js"
import { transactions } from "./transactions.js"
import { values } from "./values.js"

afterAll(end)

statements(pglite)
transactions(pglite)
pooling(pglite)
together(pglite)
apart(pglite)
errors(pglite)
values(pglite)
rows(pglite)
models(pglite)
lacksAreTrue(pglite)
