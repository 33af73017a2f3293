/**
 * What databases of tests are called on a server. The name's last 16 digits are the lock that its owner holds; no other
 * database is ever dropped.
 *
 * @since 0.1.0
 */

/** A test's own. @since 0.1.0 @category accessors */
export const clone = (digits: string): string => `aquifer_test_${digits}`

/** @since 0.1.0 @category accessors */
export const template = (digits: string): string => `aquifer_template_${digits}`

/** One that stays after its test: nobody sweeps it. @since 0.1.0 @category accessors */
export const kept = (digits: string): string => `aquifer_kept_${digits}`

/** Those that may be swept, as a regular expression. @since 0.1.0 @category constants */
export const swept = "^aquifer_(test|template)_[0-9a-f]{16}$"
