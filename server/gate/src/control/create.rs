//! SHOW CREATE: the definition of a table as one MySQL would have it, and that of a keyspace.

use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_sql::control::TableName;

use super::show;
use crate::answer::Answer;
use crate::request::Scope;
use crate::session::Session;
use crate::substitute::text_literal;
use crate::{catalog, failure};

/// `SHOW CREATE TABLE`: from one shard, with the largest AUTO_INCREMENT of all, which is that of one MySQL with all rows.
pub(super) async fn table(
    scope: &Scope<'_>,
    session: &mut Session,
    table: &TableName<'_>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    const SHOW: &str = "SHOW CREATE TABLE";
    let (keyspace, temporary) = show::known(scope, session, table)?;
    if temporary || scope.only_shard(keyspace)?.is_some() {
        return show::on_table(scope, session, SHOW, table, "", answer).await;
    }
    let sql = format!("{SHOW} `{}`", table.table.replace('`', "``"));
    let asked = (0..keyspace.shards.len()).map(|shard| catalog::fetch(scope, keyspace, shard, sql.clone()));
    let mut shown: Option<(String, String)> = None;
    let mut next: Option<u64> = None;
    for cells in futures_util::future::join_all(asked).await {
        let mut texts = cells?.into_iter().map(|cell| String::from_utf8_lossy(&cell.unwrap_or_default()).into_owned());
        let (Some(name), Some(text)) = (texts.next(), texts.next()) else {
            return Err(failure::unknown_table(&keyspace.name, &table.table));
        };
        next = next.max(auto_increment(&text).map(|(_, value)| value));
        shown.get_or_insert((name, text));
    }
    let (name, text) = shown.ok_or_else(|| failure::unknown_table(&keyspace.name, &table.table))?;
    let text = with_auto_increment(text, next);
    // Columns are as a server describes them.
    let sql = format!("SELECT {} AS `Table`, {} AS `Create Table`", text_literal(&name), text_literal(&text));
    let keyspace = keyspace.name.to_string();
    show::on_one_shard(scope, session, &keyspace, sql, answer).await
}

/// `SHOW CREATE DATABASE`.
pub(super) async fn keyspace(
    scope: &Scope<'_>,
    session: &mut Session,
    name: &str,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    let keyspace = scope.view.keyspace(name, &scope.permit)?;
    let written = text_literal(&format!("CREATE DATABASE `{name}` /*!40100 DEFAULT CHARACTER SET "));
    // As each server words it.
    let rest = match scope.gate.is_mariadb() {
        true => "' COLLATE ', DEFAULT_COLLATION_NAME, ' */'",
        false => {
            "IF(DEFAULT_CHARACTER_SET_NAME = 'utf8mb4' OR DEFAULT_COLLATION_NAME NOT IN (SELECT DEFAULT_COLLATE_NAME FROM \
             information_schema.CHARACTER_SETS), CONCAT(' COLLATE ', DEFAULT_COLLATION_NAME), ''), ' */ /*!80016 DEFAULT \
             ENCRYPTION=', QUOTE(IF(DEFAULT_ENCRYPTION = 'YES', 'Y', 'N')), ' */'"
        }
    };
    let sql = format!(
        "SELECT {} AS `Database`, COALESCE(CONCAT({written}, DEFAULT_CHARACTER_SET_NAME, {rest}), '') AS `Create Database` \
         FROM information_schema.SCHEMATA",
        text_literal(name)
    );
    catalog::select(scope, session, keyspace, sql, answer).await
}

/// Where ` AUTO_INCREMENT=n` stands among the options of a table, and n.
fn auto_increment(text: &str) -> Option<(std::ops::Range<usize>, u64)> {
    const OPTION: &str = " AUTO_INCREMENT=";
    let options = options(text)?;
    let start = options + text[options..].lines().next()?.find(OPTION)?;
    let digits = text[start + OPTION.len()..].bytes().take_while(u8::is_ascii_digit).count();
    let end = start + OPTION.len() + digits;
    Some((start..end, text[end - digits..end].parse().ok()?))
}

/// The same text with the next number of all shards. A shard without rows has none.
fn with_auto_increment(text: String, next: Option<u64>) -> String {
    let (Some(next), Some(options)) = (next, options(&text)) else { return text };
    let place = match auto_increment(&text) {
        Some((place, _)) => place,
        None => {
            // Behind the engine, where MySQL writes it.
            let engine = options + ") ENGINE=".len();
            let end = engine + text[engine..].find([' ', '\n']).unwrap_or(text.len() - engine);
            end..end
        }
    };
    format!("{} AUTO_INCREMENT={next}{}", &text[..place.start], &text[place.end..])
}

/// The same text without a number that its rows decide.
pub(super) fn without_auto_increment(text: &str) -> String {
    match auto_increment(text) {
        Some((place, _)) => format!("{}{}", &text[..place.start], &text[place.end..]),
        None => text.to_owned(),
    }
}

/// Where the line with the table's options begins. No line of a column or key begins like it.
fn options(text: &str) -> Option<usize> {
    text.find("\n) ENGINE=").map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_of_all_shards_is_shown() {
        let without =
            "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=3'\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
        let with = |n: &str| without.replace("InnoDB ", &format!("InnoDB AUTO_INCREMENT={n} "));
        assert_eq!(auto_increment(without), None);
        assert_eq!(auto_increment(&with("12")).map(|(_, value)| value), Some(12));
        assert_eq!(with_auto_increment(with("12"), Some(12)), with("12"));
        assert_eq!(with_auto_increment(with("12"), Some(105)), with("105"));
        assert_eq!(with_auto_increment(without.to_owned(), Some(7)), with("7"));
        assert_eq!(with_auto_increment(without.to_owned(), None), without);
        let short = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB";
        assert_eq!(with_auto_increment(short.to_owned(), Some(7)), format!("{short} AUTO_INCREMENT=7"));
    }
}
