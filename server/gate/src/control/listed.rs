//! SHOW of what a keyspace has, as MySQL makes it of `information_schema`: TABLES … WHERE, TABLE STATUS, INDEX, TRIGGERS and their like.

use std::fmt::Write;

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::TableName;
use vitrail_sql::control::show::{Like, Listed};

use super::show::with_pattern;
use crate::answer::Answer;
use crate::cluster::Keyspace;
use crate::request::Scope;
use crate::session::Session;
use crate::substitute::text_literal;
use crate::{catalog, failure};

/// A list: its table, the column of a row's table, what orders it, a condition, and its columns with what they show.
struct Query {
    from: &'static str,
    /// `None`: rows belong to no table.
    table: Option<&'static str>,
    condition: &'static str,
    order: &'static str,
    /// How LIKE compares names of tables: MariaDB's SHOW tells upper from lower case there, and its `information_schema` does not.
    names: &'static str,
    columns: Vec<(String, &'static str)>,
}

/// Lists what a keyspace has, less what its user may not see.
pub(super) async fn run(
    scope: &Scope<'_>,
    session: &mut Session,
    list: Listed,
    keyspace: Option<&str>,
    filter: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let name = keyspace.or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?;
    let keyspace = scope.view.keyspace(name, &scope.permit)?;
    let query = query(list, name, scope.gate.is_mariadb());
    let condition = within_sight(scope, keyspace, &query, query.condition.to_owned());
    catalog::select(scope, session, keyspace, query.sql(&condition, filter), answer).await
}

/// `SHOW TABLES`, all or those like a pattern.
pub(super) async fn tables(
    scope: &Scope<'_>,
    session: &mut Session,
    full: bool,
    keyspace: Option<&str>,
    like: Option<&Like>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let name = keyspace.or(scope.target.keyspace.as_deref()).ok_or_else(failure::no_keyspace)?;
    let keyspace = scope.view.keyspace(name, &scope.permit)?;
    let mut query = query(Listed::Tables { full }, name, scope.gate.is_mariadb());
    if let Some((title, _)) = query.columns.first_mut() {
        *title = with_pattern(std::mem::take(title), like);
    }
    let condition = match like {
        Some(like) => format!("TABLE_NAME{} LIKE {}", query.names, text_literal(&like.pattern)),
        None => query.condition.to_owned(),
    };
    let condition = within_sight(scope, keyspace, &query, condition);
    catalog::select(scope, session, keyspace, query.sql(&condition, ""), answer).await
}

/// `SHOW INDEX`: with the cardinalities of all shards.
pub(super) async fn indexes(
    scope: &Scope<'_>,
    session: &mut Session,
    table: &TableName<'_>,
    filter: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let (keyspace, temporary) = super::show::known(scope, session, table)?;
    if temporary || scope.only_shard(keyspace)?.is_some() {
        return super::show::on_table(scope, session, "SHOW INDEX FROM", table, filter, answer).await;
    }
    let query = of_indexes(scope.gate.is_mariadb());
    let condition = format!("TABLE_NAME = {}", text_literal(&table.table));
    catalog::select(scope, session, keyspace, query.sql(&condition, filter), answer).await
}

impl Query {
    /// A SELECT of the rows that `condition` and the list's own filter leave.
    fn sql(&self, condition: &str, filter: &str) -> String {
        let mut sql = String::from("SELECT * FROM (SELECT ");
        for (index, (title, value)) in self.columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{comma}{value} AS `{}`", title.replace('`', "``"));
        }
        let order = self.order.split(", ").filter_map(|value| self.title_of(value)).collect::<Vec<_>>().join(", ");
        let _ = write!(sql, " FROM information_schema.{} WHERE {condition}) AS listed ", self.from);
        let like = filter.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("LIKE"));
        if like && let Some((title, _)) = self.columns.get(usize::from(self.table.is_none())) {
            let _ = write!(sql, "WHERE `{title}`{} ", self.names);
        }
        let _ = write!(sql, "{filter} ORDER BY {order}");
        sql
    }

    fn title_of(&self, value: &str) -> Option<String> {
        self.columns.iter().find(|(_, known)| *known == value).map(|(title, _)| format!("`{title}`"))
    }
}

/// The condition, and that the user sees the row.
fn within_sight(scope: &Scope<'_>, keyspace: &Keyspace, query: &Query, condition: String) -> String {
    match scope.permit.sees_all_tables(&keyspace.name) {
        true => condition,
        false => format!("{condition} AND {}", in_sight(scope, keyspace, query.table)),
    }
}

/// Only rows of tables that the user sees.
fn in_sight(scope: &Scope<'_>, keyspace: &Keyspace, column: Option<&str>) -> String {
    let (Some(column), Some(schema)) = (column, scope.view.schemas.get(&keyspace.name)) else { return "FALSE".into() };
    let seen = schema.tables().filter(|(table, _)| scope.permit.sees_table(&keyspace.name, table));
    let mut names: Vec<String> = seen.map(|(table, _)| text_literal(table)).collect();
    names.sort_unstable();
    if names.is_empty() { "FALSE".into() } else { format!("{column} IN ({})", names.join(", ")) }
}

fn query(list: Listed, keyspace: &str, mariadb: bool) -> Query {
    let of = |from, table, condition, order, columns: &[(&str, &'static str)]| Query {
        from,
        table,
        condition,
        order,
        names: if mariadb && table.is_some() { " COLLATE utf8mb3_bin" } else { "" },
        columns: columns.iter().map(|(title, value)| ((*title).to_owned(), *value)).collect(),
    };
    match list {
        Listed::Tables { full } => {
            let title = format!("Tables_in_{keyspace}");
            let columns: &[(&str, &'static str)] = &[(&title, "TABLE_NAME"), ("Table_type", "TABLE_TYPE")];
            of("TABLES", Some("TABLE_NAME"), "TRUE", "TABLE_NAME", &columns[..1 + usize::from(full)])
        }
        Listed::TableStatus => {
            let count = STATUS.len() - if mariadb { 0 } else { 2 };
            of("TABLES", Some("TABLE_NAME"), "TRUE", "TABLE_NAME", &STATUS[..count])
        }
        Listed::Triggers => {
            of("TRIGGERS", Some("EVENT_OBJECT_TABLE"), "TRUE", "EVENT_OBJECT_TABLE, TRIGGER_NAME", TRIGGERS)
        }
        Listed::Events => of("EVENTS", None, "TRUE", "EVENT_NAME", EVENTS),
        Listed::Procedures | Listed::Functions => {
            let condition = match list {
                Listed::Procedures => "ROUTINE_TYPE = 'PROCEDURE'",
                _ => "ROUTINE_TYPE = 'FUNCTION'",
            };
            let mut query = of("ROUTINES", None, condition, "ROUTINE_NAME", ROUTINES);
            if !mariadb {
                query.columns.insert(3, ("Language".to_owned(), "EXTERNAL_LANGUAGE"));
            }
            query
        }
    }
}

fn of_indexes(mariadb: bool) -> Query {
    let last: &[(&str, &'static str)] = match mariadb {
        true => &[("Ignored", "IGNORED")],
        false => &[("Visible", "IS_VISIBLE"), ("Expression", "EXPRESSION")],
    };
    let columns = INDEXES.iter().chain(last).map(|(title, value)| ((*title).to_owned(), *value)).collect();
    let order = "NON_UNIQUE, INDEX_NAME, SEQ_IN_INDEX";
    Query { from: "STATISTICS", table: Some("TABLE_NAME"), condition: "TRUE", order, names: "", columns }
}

/// The last two are MariaDB's.
const STATUS: &[(&str, &str)] = &[
    ("Name", "TABLE_NAME"),
    ("Engine", "ENGINE"),
    ("Version", "VERSION"),
    ("Row_format", "ROW_FORMAT"),
    ("Rows", "TABLE_ROWS"),
    ("Avg_row_length", "AVG_ROW_LENGTH"),
    ("Data_length", "DATA_LENGTH"),
    ("Max_data_length", "MAX_DATA_LENGTH"),
    ("Index_length", "INDEX_LENGTH"),
    ("Data_free", "DATA_FREE"),
    ("Auto_increment", "AUTO_INCREMENT"),
    ("Create_time", "CREATE_TIME"),
    ("Update_time", "UPDATE_TIME"),
    ("Check_time", "CHECK_TIME"),
    ("Collation", "TABLE_COLLATION"),
    ("Checksum", "CHECKSUM"),
    ("Create_options", "CREATE_OPTIONS"),
    ("Comment", "TABLE_COMMENT"),
    ("Max_index_length", "MAX_INDEX_LENGTH"),
    ("Temporary", "TEMPORARY"),
];

const INDEXES: &[(&str, &str)] = &[
    ("Table", "TABLE_NAME"),
    ("Non_unique", "NON_UNIQUE"),
    ("Key_name", "INDEX_NAME"),
    ("Seq_in_index", "SEQ_IN_INDEX"),
    ("Column_name", "COLUMN_NAME"),
    ("Collation", "COLLATION"),
    ("Cardinality", "CARDINALITY"),
    ("Sub_part", "SUB_PART"),
    ("Packed", "PACKED"),
    ("Null", "NULLABLE"),
    ("Index_type", "INDEX_TYPE"),
    ("Comment", "COMMENT"),
    ("Index_comment", "INDEX_COMMENT"),
];

const TRIGGERS: &[(&str, &str)] = &[
    ("Trigger", "TRIGGER_NAME"),
    ("Event", "EVENT_MANIPULATION"),
    ("Table", "EVENT_OBJECT_TABLE"),
    ("Statement", "ACTION_STATEMENT"),
    ("Timing", "ACTION_TIMING"),
    ("Created", "CREATED"),
    ("sql_mode", "SQL_MODE"),
    ("Definer", "DEFINER"),
    ("character_set_client", "CHARACTER_SET_CLIENT"),
    ("collation_connection", "COLLATION_CONNECTION"),
    ("Database Collation", "DATABASE_COLLATION"),
];

const EVENTS: &[(&str, &str)] = &[
    ("Db", "EVENT_SCHEMA"),
    ("Name", "EVENT_NAME"),
    ("Definer", "DEFINER"),
    ("Time zone", "TIME_ZONE"),
    ("Type", "EVENT_TYPE"),
    ("Execute at", "EXECUTE_AT"),
    ("Interval value", "INTERVAL_VALUE"),
    ("Interval field", "INTERVAL_FIELD"),
    ("Starts", "STARTS"),
    ("Ends", "ENDS"),
    ("Status", "STATUS"),
    ("Originator", "ORIGINATOR"),
    ("character_set_client", "CHARACTER_SET_CLIENT"),
    ("collation_connection", "COLLATION_CONNECTION"),
    ("Database Collation", "DATABASE_COLLATION"),
];

const ROUTINES: &[(&str, &str)] = &[
    ("Db", "ROUTINE_SCHEMA"),
    ("Name", "ROUTINE_NAME"),
    ("Type", "ROUTINE_TYPE"),
    ("Definer", "DEFINER"),
    ("Modified", "LAST_ALTERED"),
    ("Created", "CREATED"),
    ("Security_type", "SECURITY_TYPE"),
    ("Comment", "ROUTINE_COMMENT"),
    ("character_set_client", "CHARACTER_SET_CLIENT"),
    ("collation_connection", "COLLATION_CONNECTION"),
    ("Database Collation", "DATABASE_COLLATION"),
];
