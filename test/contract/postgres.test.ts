import { lacksAreTrue } from "./contract.js"
import { pooling } from "./pooling.js"
import { postgres } from "./products.js"
import { statements } from "./statements.js"
import { transactions } from "./transactions.js"

statements(postgres)
transactions(postgres)
pooling(postgres)
lacksAreTrue(postgres)
