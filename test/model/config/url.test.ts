import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"

const parse = (url: string) =>
  Either.getOrThrowWith(DatabaseConfig.parseUrl(url), (error) => new Error(DatabaseConfig.explain(error)))

const problem = (url: string): string =>
  Either.match(DatabaseConfig.parseUrl(url, "DATABASE_URL"), {
    onLeft: DatabaseConfig.explain,
    onRight: (target) => `no problem: ${DatabaseConfig.describeTarget(target)}`
  })

const password = (url: string) => {
  const { password } = parse(url)
  return password === undefined ? undefined : Redacted.value(password)
}

describe("a URL of the PostgreSQL family", () => {
  it.each([
    ["postgres://u:p@h:1/d", "postgres://u:***@h:1/d"],
    ["postgresql://u:p@h/d", "postgres://u:***@h:5432/d"],
    ["POSTGRES://h/d", "postgres://h:5432/d"],
    ["postgresql+asyncpg://u:p@h/d", "postgres://u:***@h:5432/d"],
    ["postgresql+psycopg2://u:p@h/d", "postgres://u:***@h:5432/d"],
    ["cockroachdb://root@h/d", "postgres://root@h:26257/d"],
    ["cockroachdb+psycopg2://root@h/d", "postgres://root@h:26257/d"],
    ["postgres://u@h1:1,h2:2,h3/d", "postgres://u@h1:1,h2:2,h3:5432/d"],
    ["postgres://u@[::1]:6000/d", "postgres://u@[::1]:6000/d"],
    ["postgres://[2001:db8::1],h2:7/d", "postgres://[2001:db8::1]:5432,h2:7/d"],
    ["postgres://u@%2Fvar%2Frun/d", "postgres://u@%2Fvar%2Frun:5432/d"],
    ["postgres://u@/d?host=/var/run", "postgres://u@%2Fvar%2Frun:5432/d"],
    ["postgres:///d?host=h1,h2&port=1,2", "postgres://h1:1,h2:2/d"],
    ["postgres://u@h:77/d?host=/tmp", "postgres://u@%2Ftmp:77/d"],
    ["postgres:///d?host=h1,h2&port=9", "postgres://h1:9,h2:9/d"],
    ["postgres://h/d?port=9", "postgres://h:9/d"],
    ["postgres://?user=u&password=p&dbname=d&host=h", "postgres://u:***@h:5432/d"],
    ["postgres:///d", "postgres://localhost:5432/d"],
    ["postgres://u@h", "postgres://u@h:5432/u"],
    ["postgres://h", "postgres://h:5432/postgres"],
    ["postgres://a%40b@h/d%2Fe", "postgres://a%40b@h:5432/d%2Fe"],
    ['  "postgres://h/d"  ', "postgres://h:5432/d"]
  ])("%s is understood", (url, described) => {
    expect(DatabaseConfig.describeTarget(parse(url))).toBe(described)
    expect(parse(url).driver).toBe("postgres")
  })

  it.each([
    ["postgres://u:p@ss@h/d", "p@ss"],
    ["postgres://u:p:ss@h/d", "p:ss"],
    ["postgres://u:p#ss@h/d", "p#ss"],
    ["postgres://u:p?ss@h/d", "p?ss"],
    ["postgres://u:p%40%2F%3A@h/d", "p@/:"],
    ["postgres://u:100%@h/d", "100%"],
    ["postgres://u:a+b@h/d", "a+b"],
    ["postgres://u:%C3%A4@h/d", "ä"],
    ["postgres://h/d?user=u&password=p%26s", "p&s"],
    ["postgres://u:@h/d", undefined]
  ])("%s keeps its password", (url, expected) => {
    expect(password(url)).toBe(expected)
    expect(parse(url).hosts).toEqual([{ host: "h", port: 5432 }])
  })

  it("TLS, the kind of session and everything else stand in the query", () => {
    const target = parse(
      "postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem&sslpassword=x&target_session_attrs=standby&connect_timeout=3&application_name=a%20b&options=-c%20x%3D1"
    )
    expect(target.tls).toMatchObject({ mode: "verify-full", rootCert: "/ca.pem", cert: "/c.pem", key: "/k.pem" })
    expect(target.tls.passphrase === undefined ? "" : Redacted.value(target.tls.passphrase)).toBe("x")
    expect(target.targetSession).toBe("standby")
    expect(target.parameters).toEqual({ connect_timeout: "3", application_name: "a b", options: "-c x=1" })
  })

  it.each(["any", "read-write", "read-only", "primary", "standby", "prefer-standby"])(
    "target_session_attrs=%s is understood",
    (word) => expect(parse(`postgres://h/d?target_session_attrs=${word}`).targetSession).toBe(word)
  )

  it.each([
    ["", "prefer"],
    ["sslmode=disable", "disable"],
    ["sslmode=allow", "allow"],
    ["sslmode=prefer", "prefer"],
    ["sslmode=require", "require"],
    ["sslmode=verify-ca&sslrootcert=/ca", "verify-ca"],
    ["sslmode=verify-full", "verify-full"],
    ["sslmode=no-verify", "require"],
    ["ssl=true", "require"],
    ["ssl=false", "disable"],
    ["sslrootcert=system", "verify-full"]
  ])("?%s is sslmode %s", (query, mode) => expect(parse(`postgres://h/d?${query}`).tls.mode).toBe(mode))

  it("a parameter that looks like a secret and means nothing is forgotten", () => {
    expect(parse("postgres://h/d?api_token=x&passfile=/x&schema=s").parameters).toEqual({ schema: "s" })
  })
})

describe("a URL of a file", () => {
  it.each([
    ["sqlite:data.db", "sqlite:data.db"],
    ["sqlite:./a/b.db", "sqlite:./a/b.db"],
    ["sqlite:/abs/b.db", "sqlite:/abs/b.db"],
    ["sqlite::memory:", "sqlite::memory:"],
    ["sqlite://", "sqlite::memory:"],
    ["sqlite:///", "sqlite::memory:"],
    ["sqlite://:memory:", "sqlite::memory:"],
    ["sqlite:///:memory:", "sqlite::memory:"],
    ["sqlite+aiosqlite:///:memory:", "sqlite::memory:"],
    ["sqlite+aiosqlite:///path/to/file.db", "sqlite:path/to/file.db"],
    ["sqlite:///file.db", "sqlite:file.db"],
    ["sqlite:////abs/file.db", "sqlite:/abs/file.db"],
    ["sqlite:///C:/data/file.db", "sqlite:C:/data/file.db"],
    ["sqlite://file.db", "sqlite:file.db"],
    ["sqlite:a%20b.db", "sqlite:a b.db"],
    ["sqlite:x.db?mode=memory", "sqlite::memory:"],
    ["sqlite3:x.db", "sqlite:x.db"],
    ["file:dev.db", "sqlite:dev.db"],
    ["file:///abs/dev.db", "sqlite:/abs/dev.db"],
    ["file://localhost/abs/dev.db", "sqlite:/abs/dev.db"],
    ["pglite:folder", "pglite:folder"],
    ["pglite::memory:", "pglite::memory:"],
    ["pglite://", "pglite::memory:"]
  ])("%s is understood", (url, described) => {
    const target = parse(url)
    expect(DatabaseConfig.describeTarget(target)).toBe(described)
    expect(target).toMatchObject({ hosts: [], tls: { mode: "disable" } })
  })

  it("keeps its parameters", () =>
    expect(parse("sqlite:x.db?mode=ro&cache=private").parameters).toEqual({ mode: "ro", cache: "private" }))
})

describe("a URL that will not do says what was expected, and nothing of itself", () => {
  it.each([
    ["", "expected a URL such as"],
    ["localhost:5432", "expected a URL such as"],
    ["host=h user=canary", "expected a URL such as"],
    [
      "mysql://u:canary@h/d",
      'unknown scheme "mysql://"; known are postgres://, postgresql://, cockroachdb://, sqlite:path'
    ],
    ["constructor://canary", 'unknown scheme "constructor://"'],
    ["canary:canary@h/d", "expected a URL such as"],
    ["postgres:u:canary@h", 'expected // behind "postgres:"'],
    ["postgres://u:p@h:0/d", "expected a port from 1 to 65535"],
    ["postgres://u:p@h:65536/d", "expected a port from 1 to 65535"],
    ["postgres://u:p@h1:1,h2:canary/d", "host 2 of 2: expected a port"],
    ["postgres://u:canary/canary@h/d", "there is an @ behind the host; encode @ as %40"],
    ["postgres://u:1/canary@h/d", "there is an @ behind the host"],
    ["postgres://u:x@y/canary@h/d", "there is an @ behind the host"],
    ["postgres://u:x@y?canary@h/d", "an @ where a parameter's name should be"],
    ["postgres://u:%ff%00canary@h/d", "the password holds a percent code that is no UTF-8 text"],
    ["postgres://u@ca nary/d", "expected a host name"],
    ["postgres://::1/d", "an IPv6 address stands in brackets"],
    ["postgres://h/d?host=a,b,c&port=1,2", "expected one port, or one for each of the 3 hosts, found 2"],
    [
      "postgres://h/d?sslmode=canary",
      "sslmode: expected one of disable, allow, prefer, require, verify-ca, verify-full"
    ],
    ["postgres://h/d?target_session_attrs=canary", "target_session_attrs: expected one of any"],
    ["postgres://h/d?sslmode=verify-ca", "sslrootcert: verify-ca needs the authority's certificate"],
    [
      "postgres://h/d?sslmode=require&sslrootcert=system",
      "sslmode: expected verify-full together with sslrootcert=system"
    ],
    ["postgres://h/d?sslcert=/canary", "sslkey: a certificate (sslcert) needs its key"],
    ["postgres://h/d?sslkey=/canary", "sslcert: a key (sslkey) needs its certificate"],
    ["postgres://u:can\nary@h/d", "a line break or another control character"],
    ["sqlite:", "expected a path or :memory: behind sqlite:"],
    ["sqlite://u:canary@h/d", "has no hosts, users or passwords"],
    ["sqlite://h1:1,h2:2/d", "has no hosts, users or passwords"],
    ["sqlite://h:5432/d", "has no hosts, users or passwords"],
    ["sqlite:x.db?sslmode=require", "sslmode is for servers"]
  ])("%j", (url, expected) => {
    const text = problem(url)
    expect(text).toContain(`DATABASE_URL: `)
    expect(text).toContain(expected)
    expect(text).not.toMatch(/canary/)
  })

  it("tells every problem at once", () => {
    expect(problem("postgres://h:x/d?sslmode=no-such&target_session_attrs=none").split("\n")).toHaveLength(4)
  })
})

describe("any text at all", () => {
  /** No lone surrogate, which no URL can carry, and no NUL, which no server takes. */
  const well = (text: string) => !/\p{Surrogate}|\0/u.test(text)
  it("a password and a database survive being encoded", () => {
    const text = fc.string({ unit: "binary", minLength: 1 }).filter(well)
    fc.assert(
      fc.property(text, text, (secret, database) => {
        const url = `postgres://u:${encodeURIComponent(secret)}@h/${encodeURIComponent(database)}`
        expect(password(url)).toBe(secret)
        expect(parse(url).database).toBe(database)
      })
    )
  })
  it("is a target or a problem, and nothing is thrown", () => {
    const scheme = fc.constantFrom("postgres://", "postgresql+x://", "sqlite:", "sqlite://", "pglite:", "file:", "")
    const rest = fc.string({ unit: fc.constantFrom(..."ab:/@?#%&=+[],.1 ".split("")) })
    fc.assert(
      fc.property(scheme, rest, (start, end) => {
        expect(typeof problem(`${start}${end}`)).toBe("string")
      }),
      { numRuns: 1000 }
    )
  })
})
