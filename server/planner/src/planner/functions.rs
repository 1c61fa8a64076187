//! Which functions a statement may call, and why others are refused.

use crate::refusal::Refusal;

/// What a function's result depends on, besides its arguments and the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Nothing.
    Pure,
    /// Time or chance: two shards give two answers.
    Volatile,
    /// Folds rows.
    Aggregate,
    /// A row's neighbours; only with OVER.
    Window,
    /// The connection, which is shared; or it would show what is behind the gate.
    Connection,
    /// Not a function of MySQL's: a stored one may read tables.
    Unknown,
}

/// The nature of a function by its name in any letter case.
pub(super) fn nature(name: &str) -> Nature {
    let name = name.to_ascii_lowercase();
    let listed = |list: &[&str]| list.contains(&name.as_str());
    if listed(CONNECTION) {
        Nature::Connection
    } else if listed(VOLATILE) {
        Nature::Volatile
    } else if listed(AGGREGATE) {
        Nature::Aggregate
    } else if listed(WINDOW) {
        Nature::Window
    } else if listed(PURE) || name.starts_with("st_") || name.starts_with("mbr") || name.starts_with("json_") {
        Nature::Pure
    } else {
        Nature::Unknown
    }
}

/// Whether a call gives all rows of a statement one value, or one series of values, which two shards would not share.
pub(super) fn is_one_per_statement(name: &str, has_arguments: bool) -> bool {
    let listed = ONE_PER_STATEMENT.iter().any(|known| known.eq_ignore_ascii_case(name));
    listed || (has_arguments && name.eq_ignore_ascii_case("rand"))
}

/// Whether a word without parentheses and quotes is a call; MySQL reserves these words.
pub(super) fn is_bare_call(word: &str) -> bool {
    BARE.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// The refusal of a function that depends on the connection.
pub(super) fn refuse_connection(name: &str) -> Refusal {
    Refusal::unsupported(
        "connection-function",
        format!(
            "the function {}() depends on a connection to MySQL, and connections are shared between sessions; \
             leave it out, or use what the client library offers instead",
            name.to_ascii_uppercase()
        ),
    )
}

/// The refusal of `@x`.
pub(super) fn refuse_user_variable(variable: &str) -> Refusal {
    Refusal::unsupported(
        "user-variable",
        format!("the user variable {variable} belongs to a connection, and those are shared; send a bind variable"),
    )
}

/// Refuses the system variables that tell of a connection's past.
pub(super) fn check_variable(variable: &str) -> Result<(), Refusal> {
    let name = variable.rsplit(['@', '.']).next().unwrap_or_default().trim_matches('`');
    if !CONNECTION_VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Refusal::unsupported(
        "connection-variable",
        format!("the variable @@{name} tells of a connection to MySQL, and connections are shared; leave it out"),
    ))
}

/// The refusal of `SELECT … INTO`.
pub(super) fn refuse_into() -> Refusal {
    Refusal::unsupported("select-into", "SELECT … INTO is not supported; read the rows")
}

/// The refusal of `SQL_CALC_FOUND_ROWS`.
pub(super) fn refuse_calc_found_rows() -> Refusal {
    Refusal::unsupported("calc-found-rows", "SQL_CALC_FOUND_ROWS is not supported; count with SELECT COUNT(*)")
}

const CONNECTION_VARIABLES: &[&str] = &[
    "error_count",
    "external_user",
    "identity",
    "insert_id",
    "last_insert_id",
    "proxy_user",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "warning_count",
];

const CONNECTION: &[&str] = &[
    "benchmark",
    "binlog_gtid_pos",
    "connection_id",
    "current_role",
    "current_user",
    "database",
    "found_rows",
    "get_lock",
    "icu_version",
    "is_free_lock",
    "is_used_lock",
    "last_insert_id",
    "lastval",
    "load_file",
    "master_gtid_wait",
    "master_pos_wait",
    "nextval",
    "ps_current_thread_id",
    "ps_thread_id",
    "release_all_locks",
    "release_lock",
    "row_count",
    "schema",
    "session_user",
    "setval",
    "source_pos_wait",
    "system_user",
    "user",
    "wait_for_executed_gtid_set",
];

const VOLATILE: &[&str] = &[
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "curtime",
    "localtime",
    "localtimestamp",
    "now",
    "rand",
    "random_bytes",
    "sys_guid",
    "sysdate",
    "unix_timestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "uuid",
    "uuid_short",
    "uuid_v4",
    "uuid_v7",
    "encrypt",
    "sleep",
];

const BARE: &[&str] = &[
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

const ONE_PER_STATEMENT: &[&str] = &[
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "curtime",
    "localtime",
    "localtimestamp",
    "now",
    "unix_timestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

const AGGREGATE: &[&str] = &[
    "any_value",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "count",
    "group_concat",
    "json_arrayagg",
    "json_objectagg",
    "max",
    "min",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "st_collect",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

const WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "median",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "rank",
    "row_number",
];

const PURE: &[&str] = &[
    "abs",
    "acos",
    "add_months",
    "adddate",
    "addtime",
    "aes_decrypt",
    "aes_encrypt",
    "ascii",
    "asin",
    "atan",
    "atan2",
    "bin",
    "bin_to_uuid",
    "bit_count",
    "bit_length",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "character_length",
    "charset",
    "chr",
    "coalesce",
    "coercibility",
    "collation",
    "column_create",
    "column_get",
    "column_json",
    "compress",
    "concat",
    "concat_ws",
    "conv",
    "convert",
    "convert_tz",
    "cos",
    "cot",
    "crc32",
    "crc32c",
    "date",
    "date_add",
    "date_format",
    "date_sub",
    "datediff",
    "day",
    "dayname",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "degrees",
    "elt",
    "exp",
    "export_set",
    "extract",
    "extractvalue",
    "field",
    "find_in_set",
    "floor",
    "format",
    "format_bytes",
    "from_base64",
    "from_days",
    "from_unixtime",
    "geometrycollection",
    "get_format",
    "greatest",
    "grouping",
    "hex",
    "hour",
    "if",
    "ifnull",
    "inet6_aton",
    "inet6_ntoa",
    "inet_aton",
    "inet_ntoa",
    "insert",
    "instr",
    "interval",
    "is_ipv4",
    "is_ipv4_compat",
    "is_ipv4_mapped",
    "is_ipv6",
    "is_uuid",
    "isnull",
    "last_day",
    "lcase",
    "least",
    "left",
    "length",
    "lengthb",
    "linestring",
    "ln",
    "locate",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "make_set",
    "makedate",
    "maketime",
    "match",
    "md5",
    "microsecond",
    "mid",
    "minute",
    "mod",
    "month",
    "monthname",
    "multilinestring",
    "multipoint",
    "multipolygon",
    "name_const",
    "natural_sort_key",
    "nullif",
    "nvl",
    "nvl2",
    "oct",
    "octet_length",
    "ord",
    "password",
    "period_add",
    "period_diff",
    "pi",
    "point",
    "polygon",
    "position",
    "pow",
    "power",
    "quarter",
    "quote",
    "radians",
    "regexp_instr",
    "regexp_like",
    "regexp_replace",
    "regexp_substr",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row",
    "rpad",
    "rtrim",
    "sec_to_time",
    "second",
    "sformat",
    "sha",
    "sha1",
    "sha2",
    "sign",
    "sin",
    "soundex",
    "space",
    "sqrt",
    "str_to_date",
    "strcmp",
    "subdate",
    "substr",
    "substring",
    "substring_index",
    "subtime",
    "tan",
    "time",
    "time_format",
    "time_to_sec",
    "timediff",
    "timestamp",
    "timestampadd",
    "timestampdiff",
    "to_base64",
    "to_char",
    "to_days",
    "to_seconds",
    "trim",
    "trim_oracle",
    "truncate",
    "ucase",
    "uncompress",
    "uncompressed_length",
    "unhex",
    "updatexml",
    "upper",
    "uuid_to_bin",
    "value",
    "values",
    "version",
    "week",
    "weekday",
    "weekofyear",
    "weight_string",
    "year",
    "yearweek",
];
