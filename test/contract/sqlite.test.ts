import { lacksAreTrue } from "./contract.js"
import { pooling } from "./pooling.js"
import { sqlite, sqliteMemory } from "./products.js"
import { statements } from "./statements.js"
import { transactions } from "./transactions.js"

statements(sqlite)
transactions(sqlite)
pooling(sqlite)
statements(sqliteMemory)
transactions(sqliteMemory)
pooling(sqliteMemory)
lacksAreTrue(sqlite)
lacksAreTrue(sqliteMemory)
