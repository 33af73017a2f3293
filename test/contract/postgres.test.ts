import { apart } from "./apart.js"
import { lacksAreTrue } from "./contract.js"
import { errors } from "./errors.js"
import { models } from "./models.js"
import { pooling } from "./pooling.js"
import { postgres } from "./products.js"
import { rows } from "./rows.js"
import { statements } from "./statements.js"
import { together } from "./together.js"
import { transactions } from "./transactions.js"
import { values } from "./values.js"

statements(postgres)
transactions(postgres)
pooling(postgres)
together(postgres)
apart(postgres)
errors(postgres)
values(postgres)
rows(postgres)
models(postgres)
lacksAreTrue(postgres)
