/**
 * Which functions answer the same for every row of one statement (PostgreSQL manual, 36.7 Function Volatility). Adding a
 * column writes the answer once where they do. A function not named here counts as volatile, as CREATE FUNCTION has it.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category models */
export const steady: ReadonlySet<string> = new Set(
  [
    "now transaction_timestamp statement_timestamp date_trunc date_part date_bin age timezone make_date make_time",
    "make_timestamp make_timestamptz make_interval to_timestamp to_date to_char to_number justify_days justify_hours",
    "current_setting current_schema current_database current_user session_user pg_current_snapshot",
    "pg_current_xact_id txid_current version inet_client_addr inet_server_addr",
    "lower upper initcap trim btrim ltrim rtrim lpad rpad left right repeat replace reverse translate substring substr",
    "concat concat_ws format length char_length octet_length md5 sha224 sha256 sha384 sha512 encode decode convert_to",
    "convert_from ascii chr quote_ident quote_literal split_part regexp_replace string_to_array array_to_string",
    "abs ceil ceiling floor round trunc mod power sqrt exp ln log sign greatest least gcd lcm div",
    "array_fill array_append array_prepend array_cat cardinality array_length int4range int8range numrange daterange",
    "tsrange tstzrange to_json to_jsonb json_build_object json_build_array jsonb_build_object jsonb_build_array",
    "json_object jsonb_object jsonb_set to_tsvector to_tsquery plainto_tsquery point box circle xmlparse host network"
  ].flatMap((line) => line.split(" "))
)

/** Whether the function, by the parts of its name, answers alike for every row. @since 0.1.0 @category guards */
export const isSteady = (name: ReadonlyArray<string>): boolean =>
  (name.length === 1 || name[0] === "pg_catalog") && steady.has(name.at(-1) ?? "")
