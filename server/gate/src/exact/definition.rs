//! A table's definition, as a temporary table of a scratch server can have it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vitrail_planner::plan::Carried;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::{self, ColumnType};
use vitrail_service::call::{On, Settings};
use vitrail_sql::lexer::{LexMode, Lexer, Token, TokenKind};

use crate::calling::{self, Calling};
use crate::cluster::Keyspace;
use crate::failure;
use crate::scatter::{Task, fetch_one};

/// Definitions that are known, each for one state of the schemas.
#[derive(Default)]
pub(super) struct Definitions(Mutex<Known>);

#[derive(Default)]
struct Known {
    version: u64,
    bodies: HashMap<(Arc<str>, Arc<str>), Arc<Body>>,
}

/// What a temporary table is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Columns with their names, and keys, as they are defined.
    items: Vec<(Option<String>, String)>,
    /// What rows have to fulfil, where it is written.
    checks: Vec<String>,
    /// Behind them.
    options: String,
}

/// A column of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPart {
    pub(crate) column: String,
    /// How many of its characters, or bytes, count; `None`: all.
    pub(crate) length: Option<usize>,
}

/// Tables whose definitions are kept; when there are more, all are read anew.
const MOST: usize = 1000;

impl Definitions {
    /// The table's body. `version`: of the schemas.
    pub(super) async fn body(
        &self,
        keyspace: &Keyspace,
        table: &Arc<str>,
        version: u64,
        calling: &Calling<'_>,
    ) -> Result<Arc<Body>, ErrorBody> {
        let key = (Arc::clone(&keyspace.name), Arc::clone(table));
        {
            let mut known = self.0.lock();
            if known.version < version || known.bodies.len() > MOST {
                *known = Known { version, ..Known::default() };
            }
            if let Some(body) = known.bodies.get(&key).filter(|_| known.version == version) {
                return Ok(Arc::clone(body));
            }
        }
        let body = Arc::new(read(keyspace, table, calling).await?);
        let mut known = self.0.lock();
        if known.version == version {
            known.bodies.insert(key, Arc::clone(&body));
        }
        Ok(body)
    }
}

async fn read(keyspace: &Keyspace, table: &str, calling: &Calling<'_>) -> Result<Body, ErrorBody> {
    // Names in backticks, whatever the session's sql_mode.
    let calling = calling.with_settings(Settings::default());
    let task = Task {
        service: calling.service(&keyspace.shards[0]),
        shard: keyspace.label(0),
        call: calling.call(None),
        statement: calling::statement(format!("SHOW CREATE TABLE `{}`", table.replace('`', "``")), false),
        on: On::Pool,
    };
    let cells = fetch_one(task).await?;
    let text = cells.get(1).and_then(Option::as_ref).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or_else(|| failure::unknown_table(&keyspace.name, table))?;
    temporary(text).map_err(|what| {
        failure::unsupported(format!(
            "`{}`.`{table}` has {what}, which a temporary table cannot have: this statement cannot run over its rows of several shards",
            keyspace.name
        ))
    })
}

/// From the text of SHOW CREATE TABLE: columns and keys as they are, without what concerns other tables, partitions, or storage.
///
/// # Errors
/// What of it cannot be left out.
fn temporary(text: &str) -> Result<Body, &'static str> {
    let tokens = tokens(text);
    let odd = "a definition that is not understood";
    let open = tokens.iter().position(|token| token.kind == TokenKind::Open).ok_or(odd)?;
    let word = |token: &Token| text[token.start..token.end].to_ascii_uppercase();
    let (mut depth, mut first, mut close) = (0, open + 1, None);
    let (mut items, mut checks) = (Vec::new(), Vec::new());
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        let ends = depth == 0 || (depth == 1 && token.kind == TokenKind::Comma);
        if ends && let Some(start) = tokens.get(first).filter(|_| first < index) {
            let item = &text[start.start..tokens[index - 1].end];
            let begins = word(start);
            let column = start.kind == TokenKind::QuotedName;
            let versioned =
                tokens[first..index].windows(2).any(|pair| word(&pair[0]) == "AS" && word(&pair[1]) == "ROW");
            if (column && versioned) || begins == "PERIOD" {
                return Err("system versions or periods");
            }
            if column || matches!(begins.as_str(), "PRIMARY" | "UNIQUE" | "KEY" | "INDEX") {
                let name = column.then(|| text[start.start + 1..start.end - 1].replace("``", "`"));
                items.push((name, item.to_owned()));
            } else if tokens[first..index].iter().any(|token| token.kind == TokenKind::Word && word(token) == "CHECK") {
                checks.push(item.to_owned());
            }
        }
        if ends {
            first = index + 1;
        }
        if depth == 0 {
            close = Some(index);
            break;
        }
    }
    let options = &tokens[close.ok_or(odd)? + 1..];
    let words: Vec<String> = options.iter().map(word).collect();
    if words.windows(2).any(|pair| pair[0] == "SYSTEM" && pair[1] == "VERSIONING") {
        return Err("system versions");
    }
    let mut out = "ENGINE=InnoDB".to_owned();
    for name in ["CHARSET", "COLLATE"] {
        if let Some(at) = words.iter().position(|word| word == name)
            && words.get(at + 1).is_some_and(|word| word == "=")
            && let Some(value) = words.get(at + 2)
        {
            out.push_str(&format!(" {name}={}", value.to_ascii_lowercase()));
        }
    }
    Ok(Body { items, checks, options: out })
}

fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(text.as_bytes(), LexMode::default());
    std::iter::from_fn(|| lexer.next_token().ok().flatten()).collect()
}

impl Body {
    /// What follows the name in CREATE TEMPORARY TABLE, if these columns are loaded. The others may be NULL there, whatever they are in the table:
    /// nobody looks at them, and MySQL has no warning to give, so that every one that it gives is of a value.
    pub(super) fn text(&self, loaded: &[Carried]) -> String {
        let is_loaded = |name: &String| loaded.iter().any(|column| *column.name == **name);
        let plain = |(name, item): &(Option<String>, String)| name.is_some() && !is_generated(item);
        let whole = self.items.iter().filter(|item| plain(item)).count() == loaded.len();
        let items: Vec<String> = self
            .items
            .iter()
            .map(|(name, item)| match name {
                Some(name) if !whole && !is_loaded(name) => nullable(item),
                _ => item.clone(),
            })
            .collect();
        format!("({}) {}", items.join(", "), self.options)
    }

    /// The same for a table that is written, and loaded whole.
    pub(super) fn whole(&self) -> String {
        let items = self.items.iter().map(|(_, item)| item).chain(&self.checks);
        format!("({}) {}", items.map(String::as_str).collect::<Vec<_>>().join(", "), self.options)
    }

    /// The same for rows that nothing keeps from being in it.
    pub(super) fn open(&self) -> String {
        let columns = self.items.iter().filter(|(name, _)| name.is_some()).map(|(_, item)| without_counting(item));
        format!("({}) {}", columns.collect::<Vec<_>>().join(", "), self.options)
    }

    /// Its unique keys; `None`: one of them is over expressions.
    pub(super) fn unique_keys(&self) -> Option<Vec<Vec<KeyPart>>> {
        let keys = self.items.iter().filter(|(name, item)| {
            let first = tokens(item).first().map(|token| item[token.start..token.end].to_ascii_uppercase());
            name.is_none() && first.is_some_and(|first| first == "PRIMARY" || first == "UNIQUE")
        });
        keys.map(|(_, item)| parts_of_key(item)).collect()
    }

    /// Whether nothing is cut from the values of a column that is read as `read` tells: it is defined here as it is where they come from. MySQL itself
    /// would but note that digits, or a time of day, are lost.
    pub(super) fn holds(&self, column: &Carried, read: &rows::Column<'_>) -> bool {
        if column.read != format!("`{}`", column.name.replace('`', "``")).into() {
            return true;
        }
        let item = self.items.iter().find(|(name, _)| name.as_deref() == Some(&*column.name));
        let defined = item.map(|(_, item)| {
            tokens(item).into_iter().skip(1).map(|token| &item[token.start..token.end]).collect::<Vec<_>>()
        });
        let defined = defined.unwrap_or_default();
        let is = |word: &str| defined.first().is_some_and(|first| first.eq_ignore_ascii_case(word));
        let digits = match defined[..] {
            [_, "(", _, ",", digits, ")", ..] | [_, "(", digits, ")", ..] => digits.parse().unwrap_or(0),
            _ => 0,
        };
        match read.column_type {
            ColumnType::NEWDECIMAL => is("decimal") && digits == read.decimals,
            ColumnType::DATE => is("date"),
            ColumnType::DATETIME => is("datetime") && digits == read.decimals,
            ColumnType::TIME => is("time") && digits == read.decimals,
            ColumnType::DOUBLE => is("double"),
            _ => !["decimal", "date", "datetime", "time", "double"].iter().any(|word| is(word)),
        }
    }
}

/// The columns that a key lists, where it lists nothing else.
fn parts_of_key(item: &str) -> Option<Vec<KeyPart>> {
    let all = tokens(item);
    let text = |token: &Token| &item[token.start..token.end];
    let open = all.iter().position(|token| token.kind == TokenKind::Open)?;
    let mut parts: Vec<KeyPart> = Vec::new();
    let mut rest = all[open + 1..].iter();
    while let Some(token) = rest.next() {
        let text_of = text(token);
        match token.kind {
            TokenKind::QuotedName => {
                parts.push(KeyPart { column: text_of[1..text_of.len() - 1].replace("``", "`"), length: None });
            }
            TokenKind::Open => {
                let length = rest.next().and_then(|token| text(token).parse().ok())?;
                parts.last_mut()?.length = Some(length);
                rest.next().filter(|token| token.kind == TokenKind::Close)?;
            }
            TokenKind::Close => return Some(parts),
            TokenKind::Comma => {}
            TokenKind::Word if ["ASC", "DESC"].iter().any(|word| text_of.eq_ignore_ascii_case(word)) => {}
            _ => return None,
        }
    }
    None
}

/// The definition of a column without AUTO_INCREMENT, which needs a key.
fn without_counting(item: &str) -> String {
    let all = tokens(item);
    let counts = all.iter().find(|token| {
        token.kind == TokenKind::Word && item[token.start..token.end].eq_ignore_ascii_case("AUTO_INCREMENT")
    });
    counts.map_or_else(|| item.to_owned(), |token| format!("{}{}", &item[..token.start], &item[token.end..]))
}

/// Whether a column is computed.
fn is_generated(item: &str) -> bool {
    let word = |token: &Token| item[token.start..token.end].eq_ignore_ascii_case("AS");
    tokens(item).windows(2).any(|pair| word(&pair[0]) && pair[1].kind == TokenKind::Open)
}

/// The definition of a column without NOT NULL.
fn nullable(item: &str) -> String {
    let all = tokens(item);
    let is = |token: &Token, word: &str| {
        token.kind == TokenKind::Word && item[token.start..token.end].eq_ignore_ascii_case(word)
    };
    let mut depth = 0;
    let place = all.windows(2).find(|pair| {
        depth += i32::from(pair[0].kind == TokenKind::Open) - i32::from(pair[0].kind == TokenKind::Close);
        depth == 0 && is(&pair[0], "NOT") && is(&pair[1], "NULL")
    });
    place.map_or_else(|| item.to_owned(), |pair| format!("{}{}", &item[..pair[0].start], &item[pair[1].end..]))
}

#[cfg(test)]
mod tests {
    use vitrail_planner::plan::Form;

    use super::*;

    #[test]
    fn columns_and_keys_stay() {
        let text = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL AUTO_INCREMENT,\n  `b` varchar(20) DEFAULT 'x,(y' COMMENT 'KEY, no',\n  \
                    `c` decimal(10,2) GENERATED ALWAYS AS ((`a` * 2)) STORED,\n  `d` int /*!80023 INVISIBLE */,\n  PRIMARY KEY (`a`),\n  \
                    UNIQUE KEY `u` (`b`(5),`a`),\n  KEY `k` ((`a` + 1)),\n  FULLTEXT KEY `f` (`b`),\n  CONSTRAINT `p` FOREIGN KEY (`a`) \
                    REFERENCES `o` (`a`) ON DELETE CASCADE,\n  CONSTRAINT `q` CHECK ((`a` > 0))\n) ENGINE=MyISAM AUTO_INCREMENT=12 DEFAULT \
                    CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci ROW_FORMAT=COMPRESSED COMMENT='z'\n/*!50100 PARTITION BY HASH (`a`) */";
        let expected = "(`a` int(11) NOT NULL AUTO_INCREMENT, `b` varchar(20) DEFAULT 'x,(y' COMMENT 'KEY, no', `c` decimal(10,2) \
                        GENERATED ALWAYS AS ((`a` * 2)) STORED, `d` int /*!80023 INVISIBLE */, PRIMARY KEY (`a`), UNIQUE KEY `u` (`b`(5),`a`), KEY \
                        `k` ((`a` + 1))) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci";
        let body = temporary(text).expect("a definition");
        let loaded = |names: &[&str]| -> Vec<Carried> {
            let column = |name: &&str| Carried { name: (*name).into(), read: (*name).into(), form: Form::Number };
            names.iter().map(column).collect()
        };
        assert_eq!(body.text(&loaded(&["a", "b", "d"])), expected);
        assert_eq!(body.checks, ["CONSTRAINT `q` CHECK ((`a` > 0))"]);
        let part = |column: &str, length| KeyPart { column: column.to_owned(), length };
        let keys = [vec![part("a", None)], vec![part("b", Some(5)), part("a", None)]];
        assert_eq!(body.unique_keys(), Some(keys.into()));
        let computed = temporary("CREATE TABLE `t` (\n  `a` int,\n  UNIQUE KEY `u` ((`a` + 1))\n) ENGINE=InnoDB")
            .expect("a definition");
        assert_eq!(computed.unique_keys(), None, "an expression");
        let without = expected.replace("`a` int(11) NOT NULL AUTO", "`a` int(11)  AUTO");
        assert_eq!(body.text(&loaded(&["b"])), without);
    }

    #[test]
    fn a_table_without_keys_holds_what_is_in_the_way() {
        let text = "CREATE TABLE `t` (\n  `a` int NOT NULL AUTO_INCREMENT,\n  `b` int,\n  PRIMARY KEY (`a`),\n  UNIQUE KEY `u` (`b` DESC,`a`) USING \
                    BTREE,\n  KEY `k` (`b`),\n  CHECK (`b` > 0)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
        let body = temporary(text).expect("a definition");
        assert_eq!(body.open(), "(`a` int NOT NULL , `b` int) ENGINE=InnoDB CHARSET=utf8mb4");
        let part = |column: &str| KeyPart { column: column.to_owned(), length: None };
        let keys = [vec![part("a")], vec![part("b"), part("a")]];
        assert_eq!(body.unique_keys(), Some(keys.into()));
        assert!(
            body.whole().ends_with("KEY `k` (`b`), CHECK (`b` > 0)) ENGINE=InnoDB CHARSET=utf8mb4"),
            "{}",
            body.whole()
        );
    }

    #[test]
    fn values_that_would_be_cut_are_told_by_their_types() {
        let body = temporary(
            "CREATE TABLE `t` (\n  `p` decimal(20,4) DEFAULT NULL,\n  `w` decimal(9,0),\n  `d` date,\n  `m` datetime(3) NOT NULL,\n  `s` \
             datetime,\n  `n` int(11),\n  `r` double(9,2)\n) ENGINE=InnoDB",
        )
        .expect("a definition");
        let holds = |name: &str, column_type, decimals| {
            let column = Carried { name: name.into(), read: format!("`{name}`").into(), form: Form::Quoted };
            let [schema, table, org_table, org_name] = ["", "t", "t", name].map(Into::into);
            let (name, charset, length, flags) = (name.into(), 63, 10, 0);
            let read = rows::Column {
                schema,
                table,
                org_table,
                name,
                org_name,
                charset,
                length,
                column_type,
                flags,
                decimals,
            };
            body.holds(&column, &read)
        };
        assert!(holds("p", ColumnType::NEWDECIMAL, 4) && holds("w", ColumnType::NEWDECIMAL, 0));
        assert!(
            holds("d", ColumnType::DATE, 0)
                && holds("m", ColumnType::DATETIME, 3)
                && holds("s", ColumnType::DATETIME, 0)
        );
        assert!(holds("n", ColumnType::LONG, 0) && holds("r", ColumnType::DOUBLE, 2));
        assert!(!holds("p", ColumnType::NEWDECIMAL, 6) && !holds("n", ColumnType::NEWDECIMAL, 2));
        assert!(!holds("d", ColumnType::DATETIME, 0) && !holds("s", ColumnType::DATETIME, 6));
        assert!(!holds("p", ColumnType::DOUBLE, 31) && !holds("d", ColumnType::VAR_STRING, 0));
    }

    #[test]
    fn what_cannot_be_temporary_is_named() {
        let versioned = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB WITH SYSTEM VERSIONING";
        assert_eq!(temporary(versioned), Err("system versions"));
        let rows = "CREATE TABLE `t` (`s` timestamp(6) GENERATED ALWAYS AS ROW START) ENGINE=InnoDB";
        assert_eq!(temporary(rows), Err("system versions or periods"));
    }
}
