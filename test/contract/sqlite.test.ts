import { apart } from "./apart.js"
import { lacksAreTrue } from "./contract.js"
import { errors } from "./errors.js"
import { models } from "./models.js"
import { pooling } from "./pooling.js"
import { sqlite, sqliteMemory } from "./products.js"
import { rows } from "./rows.js"
import { statements } from "./statements.js"
import { together } from "./together.js"
import { transactions } from "./transactions.js"
import { values } from "./values.js"

statements(sqlite)
transactions(sqlite)
pooling(sqlite)
together(sqlite)
apart(sqlite)
statements(sqliteMemory)
transactions(sqliteMemory)
pooling(sqliteMemory)
together(sqliteMemory)
apart(sqliteMemory)
errors(sqlite)
errors(sqliteMemory)
values(sqlite)
rows(sqlite)
models(sqlite)
values(sqliteMemory)
rows(sqliteMemory)
models(sqliteMemory)
lacksAreTrue(sqlite)
lacksAreTrue(sqliteMemory)
