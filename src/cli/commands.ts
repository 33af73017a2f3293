/**
 * The commands there are, as a table: what each is called, takes and gives. What each does is imported when it is asked for,
 * so that neither the help nor another command waits for it.
 *
 * @since 0.1.0
 */
import type { Command } from "./Command.js"

/** What the first words of commands with two words stand for. @since 0.1.0 @category commands */
export const groups: Readonly<Record<string, string>> = {
  migrate: "bring the database to a revision and look at its history",
  db: "make or remove the database itself, or write down what is in it"
}

/** In the order of the help. @since 0.1.0 @category commands */
export const commands: ReadonlyArray<Command> = [
  {
    name: "init",
    summary: "a migrations folder and a .env to begin with; changes nothing that is there",
    gives: ["created", "already", "migrations"],
    load: () => import("./init.js").then(({ init }) => init)
  },
  {
    name: "migrate up",
    summary: "apply what is pending: all, or up to a revision",
    gives: ["ledger", "applied", "reverted", "already"],
    takes: ["steps", "allow-out-of-order"],
    argument: { name: "revision", least: 0 },
    notes: ["A revision is an id or its beginning, head, heads, or +2: two further than now."],
    load: () => import("./migrate/run.js").then(({ up }) => up)
  },
  {
    name: "migrate down",
    summary: "take back the last migration, or all after a revision; asks first",
    gives: ["ledger", "applied", "reverted", "already"],
    takes: ["steps"],
    argument: { name: "revision", least: 0 },
    notes: ["A revision is an id or its beginning, base, or -2: the last two."],
    load: () => import("./migrate/run.js").then(({ down }) => down)
  },
  {
    name: "migrate to",
    summary: "go to a revision from wherever the database is; asks before it goes back",
    gives: ["ledger", "applied", "reverted", "already"],
    takes: ["allow-out-of-order"],
    argument: { name: "revision" },
    notes: ["A revision is an id or its beginning, base, head, +2 or -1."],
    load: () => import("./migrate/run.js").then(({ to }) => to)
  },
  {
    name: "migrate status",
    summary: "what is applied and what is pending; exits 3 when anything is pending or differs",
    gives: ["ledger", "revisions", "applied", "pending", "atHead", "problems"],
    load: () => import("./migrate/look.js").then(({ status }) => status)
  },
  {
    name: "migrate current",
    summary: "the revision the database is at",
    gives: ["current", "atHead"],
    takes: ["check-heads"],
    load: () => import("./migrate/look.js").then(({ current }) => current)
  },
  {
    name: "migrate history",
    summary: "the applied migrations, with when and by whom",
    gives: ["revisions"],
    load: () => import("./migrate/look.js").then(({ history }) => history)
  },
  {
    name: "migrate heads",
    summary: "the migrations nothing follows: one, unless branches have to be merged",
    gives: ["heads"],
    load: () => import("./migrate/graph.js").then(({ heads }) => heads)
  },
  {
    name: "migrate branches",
    summary: "the migrations that several follow",
    gives: ["branches"],
    load: () => import("./migrate/graph.js").then(({ branches }) => branches)
  },
  {
    name: "migrate merge",
    summary: "write a migration that follows several heads, all unless named",
    gives: ["id", "name", "file", "revises"],
    takes: ["message", "kind"],
    argument: { name: "revision", least: 0, most: 100 },
    load: () => import("./migrate/write.js").then(({ merge }) => merge)
  },
  {
    name: "migrate stamp",
    summary: "make the ledger say the database is at a revision, running nothing",
    gives: ["added", "removed", "settled"],
    takes: ["purge"],
    argument: { name: "revision", most: 100 },
    notes: ["A revision is an id or its beginning, base, head or heads. With --purge it asks first."],
    load: () => import("./migrate/settle.js").then(({ stamp }) => stamp)
  },
  {
    name: "migrate new",
    summary: "write a migration: an empty one to fill in, or what the declared tables ask for",
    gives: ["id", "name", "file", "revises"],
    takes: ["message", "kind", "revises", "autogenerate", "from", "ignore"],
    argument: { name: "word", least: 0, most: 20 },
    notes: [
      "aquifer migrate new add email to users: the words become the file's name.",
      "With --autogenerate the database must be at the head; its JSON is { created, changes }."
    ],
    load: () => import("./migrate/write.js").then(({ create }) => create)
  },
  {
    name: "migrate show",
    summary: "one migration: where it stands in the history, and its text",
    gives: ["revisions"],
    argument: { name: "revision" },
    notes: ["A revision is an id or its beginning, head, or head-1."],
    load: () => import("./migrate/graph.js").then(({ show }) => show)
  },
  {
    name: "migrate check",
    summary: "whether the database is what the declared tables say; exits 3 where it differs",
    gives: ["same", "changes"],
    takes: ["from", "ignore"],
    notes: ["Writes nothing; aquifer migrate new --autogenerate writes the migration that makes it so."],
    load: () => import("./migrate/check.js").then(({ check }) => check)
  },
  {
    name: "migrate plan",
    summary: "the SQL that up (or down) would run, without running it; fit to be fed to psql or sqlite3",
    gives: ["ledger", "revisions", "sql"],
    takes: ["down", "steps", "allow-out-of-order"],
    argument: { name: "revision", least: 0 },
    notes: [
      "A revision says how far to go, as with up and down; A:B goes from A to B wherever the database is.",
      "What a program would send is recorded on an empty database beside this one, where there can be one."
    ],
    load: () => import("./migrate/examine.js").then(({ plan }) => plan)
  },
  {
    name: "migrate verify",
    summary:
      "run every migration up, down and up on an empty database beside this one, and compare; exits 1 when they differ",
    gives: ["ok", "revisions"],
    load: () => import("./migrate/examine.js").then(({ verify }) => verify)
  },
  {
    name: "migrate lint",
    summary: "dangerous DDL in migrations; exits 1 when there are errors",
    gives: ["version", "errors", "warnings", "notes", "findings"],
    takes: ["format", "product"],
    argument: { name: "revision", least: 0, most: 1_000 },
    notes: [
      "Without a revision it looks at all of them. A finding is allowed with a comment that gives the reason.",
      "Of a .ts migration it looks at the SQL that is recorded on an empty database beside the one in use, or on paper."
    ],
    load: () => import("./migrate/lint.js").then(({ lint }) => lint)
  },
  {
    name: "migrate repair",
    summary: "settle what files and ledger disagree about; asks first",
    gives: ["changed"],
    takes: ["accept", "applied", "forget", "done", "undone"],
    notes: [
      "It changes the ledger alone: look at the database before you say what is in it. aquifer migrate status",
      "shows what there is to settle."
    ],
    load: () => import("./migrate/settle.js").then(({ repair }) => repair)
  },
  {
    name: "db create",
    summary: "make the database; nothing happens where it is there",
    gives: ["database", "created"],
    load: () => import("./db.js").then(({ create }) => create)
  },
  {
    name: "db drop",
    summary: "drop the database, whoever is connected; never in production",
    gives: ["database", "dropped"],
    load: () => import("./db.js").then(({ drop }) => drop)
  },
  {
    name: "db reset",
    summary: "drop, create and migrate it; never in production",
    gives: ["database", "dropped", "applied"],
    load: () => import("./db.js").then(({ reset }) => reset)
  },
  {
    name: "db pull",
    summary: "the tables of the database as a TypeScript module that declares them",
    gives: ["file", "module"],
    takes: ["out", "ignore"],
    notes: [
      "aquifer db pull --out schema.ts: what aquifer migrate check and --autogenerate compare the database with.",
      "Asks before it writes over a file."
    ],
    load: () => import("./dbSchema.js").then(({ pull }) => pull)
  },
  {
    name: "db diagram",
    summary: "the tables and what refers to what, drawn in Mermaid or DOT",
    gives: ["file", "diagram"],
    takes: ["as", "from", "out"],
    notes: ["Of the database; with --from of the declared tables. Asks before it writes over a file."],
    load: () => import("./dbSchema.js").then(({ diagram }) => diagram)
  },
  {
    name: "health",
    summary: "whether the database answers, and how fast; exits 1 when it does not",
    gives: ["database", "product", "status", "millis", "version", "facts", "replicas"],
    notes: ["A replica that is down or too old is shown, and is no failure: reads go elsewhere."],
    takes: ["watch", "every"],
    load: () => import("./health.js").then(({ health }) => health)
  },
  {
    name: "connections",
    summary: "the sessions the server sees under our application name",
    gives: ["database", "applicationName", "sessions"],
    takes: ["all"],
    load: () => import("./connections.js").then(({ connections }) => connections)
  },
  {
    name: "doctor",
    summary: "configuration, reachability, rights, versions, clocks, migrations: what is wrong and what to do",
    gives: ["ok", "database", "checks"],
    notes: ["Exits 1 when something is wrong, and 3 when only migrations are pending."],
    load: () => import("./doctor.js").then(({ doctor }) => doctor)
  },
  {
    name: "demo",
    summary: "migrate, seed, make 400 transfers at once, check that nothing was lost",
    gives: ["ok", "database", "product", "version", "migrations", "accounts", "transfers", "sum", "health", "pool"],
    load: () => import("./demo/command.js").then(({ demo }) => demo)
  }
]
