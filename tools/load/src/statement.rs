//! A statement with named binds, as each protocol wants it.

use std::fmt::Write as _;

use vitrail_client::{Binds, Value};

use crate::connection::Failure;

/// `SELECT c FROM t WHERE id = :id`: Vitrail is sent the text and the binds, MySQL the text with the values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    template: String,
    /// Text, then a bind, again and again; the last bind is `None`.
    parts: Vec<(String, Option<usize>)>,
    /// Of the binds, each once.
    names: Vec<Box<str>>,
}

/// Values for the binds of a statement.
pub trait Values: Sync {
    /// That of the bind, by its index among the names of the statement, or by its name.
    fn value(&self, index: usize, name: &str) -> Option<&Value>;
}

impl Values for Binds {
    fn value(&self, _: usize, name: &str) -> Option<&Value> {
        self.get(name)
    }
}

impl Statement {
    /// Finds the binds of a text: a colon and a name, outside quotes.
    pub fn new(template: impl Into<String>) -> Statement {
        let template = template.into();
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut names: Vec<Box<str>> = Vec::new();
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
                    let known = names.iter().position(|known| **known == *name);
                    let index = known.unwrap_or_else(|| {
                        names.push(name.into());
                        names.len() - 1
                    });
                    parts.push((std::mem::take(&mut text), Some(index)));
                    continue;
                }
                (None, '\'' | '"' | '`') => quote = Some(char),
                (Some(open), found) if open == found => quote = None,
                _ => {}
            }
            text.push(char);
        }
        parts.push((text, None));
        Statement { template, parts, names }
    }

    /// The text with its binds as names.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The names of its binds, each once.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The text with its values in it.
    ///
    /// # Errors
    ///
    /// A bind that has no value, or one that is neither a number nor a text.
    pub fn literal(&self, values: &impl Values) -> Result<String, Failure> {
        let mut sql = String::with_capacity(self.template.len() + 16 * self.names.len());
        for (text, bind) in &self.parts {
            sql.push_str(text);
            if let Some(index) = bind {
                push(&mut sql, self.value(*index, values)?)?;
            }
        }
        Ok(sql)
    }

    /// Its binds, as Vitrail's client wants them.
    ///
    /// # Errors
    ///
    /// A bind that has no value.
    pub fn binds(&self, values: &impl Values) -> Result<Binds, Failure> {
        let mut binds = Binds::new();
        for (index, name) in self.names.iter().enumerate() {
            binds.push_unique(name.clone(), self.value(index, values)?.clone());
        }
        Ok(binds)
    }

    fn value<'v>(&self, index: usize, values: &'v impl Values) -> Result<&'v Value, Failure> {
        let name = &self.names[index];
        values.value(index, name).ok_or_else(|| Failure::wrong(format!("the statement wants :{name}")))
    }
}

/// Appends a value as MySQL reads it.
pub(crate) fn push(sql: &mut String, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Int(number) => {
            // Writing to a String cannot fail.
            let _ = write!(sql, "{number}");
        }
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
        assert_eq!(statement.names().iter().map(|name| &**name).collect::<Vec<_>>(), ["id", "other_1"]);
        let binds = params! { "other_1" => "it's", "id" => 7 };
        assert_eq!(statement.binds(&binds).expect("all are there"), params! { "id" => 7, "other_1" => "it's" });
        let text = statement.literal(&binds).expect("all are there");
        assert_eq!(text, "SELECT ':no', `a:b`, 7 + 'it\\'s', '12:30' FROM t WHERE a := 5 AND x = 7");
        assert!(statement.literal(&params! { "id" => 7 }).is_err());
    }
}
