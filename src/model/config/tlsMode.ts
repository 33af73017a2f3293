/**
 * What a configuration says of TLS, checked for sense: libpq's rules for `sslmode` and `sslrootcert=system`, and a
 * certificate never without its key. Where libpq looks for files in the home folder, we look nowhere.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import type { SslMode, Tls } from "../DatabaseConfig.js"
import * as Decoder from "./decoder.js"

/** Undecided: each as it was given, if at all. @since 0.1.0 @category models */
export interface RawTls {
  readonly mode?: SslMode | undefined
  readonly rootCert?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly passphrase?: string | undefined
}

/** libpq's words, `ssl=true` as libpq reads it, and `no-verify` as `pg` has it. @since 0.1.0 @category decoders */
export const sslMode: Decoder.Decoder<SslMode> = Decoder.oneOf({
  disable: ["false", "off", "no", "0"],
  allow: [],
  prefer: [],
  require: ["true", "on", "yes", "1", "no-verify"],
  "verify-ca": [],
  "verify-full": []
})

/** The authorities that come with Node, by libpq's word for those of the system. @since 0.1.0 @category models */
export const systemRoots = "system"

/**
 * `said` over the defaults; `name` makes the name of a parameter for a problem's place.
 *
 * @since 0.1.0
 * @category constructors
 */
export const decideTls = (said: RawTls): { readonly tls: Tls; readonly problems: ReadonlyArray<TlsProblem> } => {
  const problems: Array<TlsProblem> = []
  // libpq 16: naming the system's authorities raises the default, and anything weaker would be pointless.
  const mode = said.mode ?? (said.rootCert === systemRoots ? "verify-full" : "prefer")
  if (said.rootCert === systemRoots && mode !== "verify-full") {
    problems.push(["mode", `expected verify-full together with sslrootcert=system, found "${mode}"`])
  }
  if (mode === "verify-ca" && said.rootCert === undefined) {
    problems.push([
      "rootCert",
      "verify-ca needs the authority's certificate (sslrootcert); for a public authority use verify-full, because anybody can get a certificate there"
    ])
  }
  if (said.cert !== undefined && said.key === undefined) {
    problems.push(["key", "a certificate (sslcert) needs its key (sslkey)"])
  }
  if (said.key !== undefined && said.cert === undefined) {
    problems.push(["cert", "a key (sslkey) needs its certificate (sslcert)"])
  }
  return {
    tls: {
      mode,
      ...(said.rootCert === undefined ? {} : { rootCert: said.rootCert }),
      ...(said.cert === undefined ? {} : { cert: said.cert }),
      ...(said.key === undefined ? {} : { key: said.key }),
      ...(said.passphrase === undefined ? {} : { passphrase: Redacted.make(said.passphrase) })
    },
    problems
  }
}

/** Which parameter, and what is wrong with it. @since 0.1.0 @category models */
export type TlsProblem = readonly [field: keyof RawTls, message: string]

/** What the parameters are called in a URL. @since 0.1.0 @category models */
export const urlNames = {
  mode: "sslmode",
  rootCert: "sslrootcert",
  cert: "sslcert",
  key: "sslkey",
  passphrase: "sslpassword"
} as const satisfies Record<keyof RawTls, string>
