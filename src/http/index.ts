/**
 * What a service that answers HTTP puts around its database.
 *
 * @since 0.1.0
 */
export * as DatabaseHttp from "./DatabaseHttp.js"
