import type { ConnectionOptions } from "node:tls"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { tlsOptions } from "../../../src/model/config/tls.js"
import * as DatabaseConfig from "../../../src/model/DatabaseConfig.js"

const files: Readonly<Record<string, string>> = { "/ca": "CA", "/cert": "CERT", "/key": "KEY" }
const readFile = (path: string) => {
  const text = files[path]
  return text === undefined ? Effect.fail(new Error(`ENOENT ${path}`)) : Effect.succeed(text)
}
const plan = (tls: DatabaseConfig.Tls, host = "db.example") => Effect.runSync(tlsOptions(tls, host, readFile))
const optionsOf = (tls: DatabaseConfig.Tls, host?: string): ConnectionOptions => {
  const { options } = plan(tls, host)
  if (options === false) throw new Error("expected TLS")
  return options
}
/** Whether a certificate for `name` passes as that of `host`. */
const accepts = (tls: DatabaseConfig.Tls, name: string, host?: string) => {
  const certificate = { subject: { CN: "x" }, subjectaltname: name } as never // as much of a certificate as the check looks at
  return optionsOf(tls, host).checkServerIdentity?.("localhost", certificate) === undefined
}

describe("sslmode as libpq means it", () => {
  it.each([
    ["disable", "plain", false, undefined],
    ["allow", "plain", true, false],
    ["prefer", "tls", true, false],
    ["require", "tls", false, false],
    ["verify-ca", "tls", false, true],
    ["verify-full", "tls", false, true]
  ] as const)("%s tries %s first, falls back: %s, verifies the chain: %s", (mode, tryFirst, fallback, verifies) => {
    const { options, ...way } = plan({ mode })
    expect(way).toEqual({ tryFirst, fallback })
    expect(options === false ? undefined : options.rejectUnauthorized).toBe(verifies)
  })
  it.each(["allow", "prefer", "require"] as const)(
    "%s verifies the chain, not the name, where an authority is named",
    (mode) => {
      expect(optionsOf({ mode, rootCert: "/ca" })).toMatchObject({ ca: "CA", rejectUnauthorized: true })
      expect(accepts({ mode, rootCert: "/ca" }, "DNS:other.example")).toBe(true)
    }
  )
  it("only verify-full compares the name, and with the host that was configured", () => {
    expect(accepts({ mode: "verify-ca", rootCert: "/ca" }, "DNS:other.example")).toBe(true)
    expect(accepts({ mode: "verify-full" }, "DNS:db.example")).toBe(true)
    expect(accepts({ mode: "verify-full" }, "DNS:other.example")).toBe(false)
    expect(accepts({ mode: "verify-full" }, "DNS:localhost", "10.0.0.1")).toBe(false)
    expect(accepts({ mode: "verify-full" }, "IP Address:10.0.0.1", "10.0.0.1")).toBe(true)
  })
  it("a name is indicated to the server, an address is not", () => {
    expect(optionsOf({ mode: "require" }).servername).toBe("db.example")
    expect(optionsOf({ mode: "require" }, "10.0.0.1")).not.toHaveProperty("servername")
    expect(optionsOf({ mode: "require" }, "::1")).not.toHaveProperty("servername")
  })
  it("a Unix socket never has TLS", () => {
    expect(plan({ mode: "verify-full" }, "/var/run/postgresql")).toEqual({
      tryFirst: "plain",
      fallback: false,
      options: false
    })
  })
  it("the system's authorities are Node's own", () => {
    const options = optionsOf({ mode: "verify-full", rootCert: "system" })
    expect(options).not.toHaveProperty("ca")
    expect(options.rejectUnauthorized).toBe(true)
  })
  it("our certificate, its key and passphrase go along", () => {
    expect(optionsOf({ mode: "require", cert: "/cert", key: "/key", passphrase: Redacted.make("x") })).toMatchObject({
      cert: "CERT",
      key: "KEY",
      passphrase: "x"
    })
  })
  it("files that cannot be read are told all at once, by parameter", () => {
    const error = Effect.runSync(
      Effect.flip(tlsOptions({ mode: "require", rootCert: "/a", cert: "/b", key: "/c" }, "h", readFile))
    )
    expect(DatabaseConfig.explain(error).split("\n").slice(1)).toEqual([
      expect.stringContaining('sslrootcert: cannot read the file "/a"'),
      expect.stringContaining('sslcert: cannot read the file "/b"'),
      expect.stringContaining('sslkey: cannot read the file "/c"')
    ])
  })
})
