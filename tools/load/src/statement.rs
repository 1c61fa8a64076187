//! A statement with named binds, as each protocol wants it.

use vitrail_client::{Binds, Value};

use crate::connection::Failure;

/// `SELECT c FROM t WHERE id = :id`: Vitrail is sent the text and the binds, MySQL the text with the values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    template: String,
    /// Text, then a bind's name, again and again; the last name is `None`.
    parts: Vec<(String, Option<String>)>,
}

impl Statement {
    /// Finds the binds of a text: a colon and a name, outside quotes.
    pub fn new(template: impl Into<String>) -> Statement {
        let template = template.into();
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut rest = template.char_indices().peekable();
        let mut quote = None;
        while let Some((_, char)) = rest.next() {
            let begins =
                |next: Option<&(usize, char)>| next.is_some_and(|(_, next)| next.is_ascii_alphabetic() || *next == '_');
            match (quote, char) {
                (None, ':') if begins(rest.peek()) => {
                    let mut name = String::new();
                    while let Some((_, next)) = rest.next_if(|(_, next)| next.is_ascii_alphanumeric() || *next == '_') {
                        name.push(next);
                    }
                    parts.push((std::mem::take(&mut text), Some(name)));
                    continue;
                }
                (None, '\'' | '"' | '`') => quote = Some(char),
                (Some(open), found) if open == found => quote = None,
                _ => {}
            }
            text.push(char);
        }
        parts.push((text, None));
        Statement { template, parts }
    }

    /// The text with its binds as names.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The names of its binds, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|(_, name)| name.as_deref())
    }

    /// The text with its values in it.
    ///
    /// # Errors
    ///
    /// A bind that has no value, or one that is neither a number nor a text.
    pub fn literal(&self, binds: &Binds) -> Result<String, Failure> {
        let mut sql = String::with_capacity(self.template.len() + 32);
        for (text, name) in &self.parts {
            sql.push_str(text);
            if let Some(name) = name {
                let value = binds.get(name).ok_or_else(|| Failure::wrong(format!("the statement wants :{name}")))?;
                push(&mut sql, value)?;
            }
        }
        Ok(sql)
    }
}

fn push(sql: &mut String, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Int(number) => sql.push_str(&number.to_string()),
        Value::Null => sql.push_str("NULL"),
        Value::Decimal(number) => sql.push_str(number),
        Value::Text(text) => {
            sql.push('\'');
            for char in text.chars() {
                if matches!(char, '\'' | '\\') {
                    sql.push('\\');
                }
                sql.push(char);
            }
            sql.push('\'');
        }
        other => return Err(Failure::wrong(format!("{other:?} cannot be sent to MySQL by this tool"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vitrail_client::params;

    use super::*;

    #[test]
    fn binds_are_found_outside_quotes() {
        let statement = Statement::new("SELECT ':no', `a:b`, :id + :other_1, '12:30' FROM t WHERE a := 5 AND x = :id");
        assert_eq!(statement.names().collect::<Vec<_>>(), ["id", "other_1", "id"]);
        let binds = params! { "id" => 7, "other_1" => "it's" };
        let text = statement.literal(&binds).expect("all are there");
        assert_eq!(text, "SELECT ':no', `a:b`, 7 + 'it\\'s', '12:30' FROM t WHERE a := 5 AND x = 7");
        assert!(statement.literal(&params! { "id" => 7 }).is_err());
    }
}
