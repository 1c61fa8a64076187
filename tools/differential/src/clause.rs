//! What the comparison has to know of a statement's text: ORDER BY, LIMIT, and whether it reads or writes.

/// Whether the statement itself orders its rows: the last ORDER BY is outside of any parenthesis.
pub fn is_ordered(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    upper.rfind("ORDER BY").is_some_and(|at| upper[at..].matches(')').count() <= upper[at..].matches('(').count())
}

/// The statement without the LIMIT at its end; `None` if it does not end with LIMIT and numbers.
pub fn without_limit(sql: &str) -> Option<&str> {
    let at = sql.to_ascii_uppercase().rfind("LIMIT ")?;
    let numbers = sql[at + 6..].replace("OFFSET", " ").replace("offset", " ");
    let only_numbers = numbers.chars().all(|c| c.is_ascii_digit() || c.is_ascii_whitespace() || c == ',');
    only_numbers.then(|| sql[..at].trim_end())
}

/// The statement's first word, in capitals.
pub fn verb(sql: &str) -> String {
    let start = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    start.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase()
}

/// Whether its first word says that it changes rows. MySQL can explain such a statement without running it.
pub fn changes_rows(sql: &str) -> bool {
    matches!(&*verb(sql), "INSERT" | "REPLACE" | "UPDATE" | "DELETE")
}

/// The statements of a script whose comments stand on lines of their own, and that has a `;` at the end of lines only to end a
/// statement.
pub fn statements(script: &str) -> Vec<String> {
    let code: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let code = code.join("\n") + "\n";
    code.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_seen_outside_of_parentheses_only() {
        assert!(is_ordered("SELECT a FROM t ORDER BY a LIMIT 3"));
        assert!(!is_ordered("SELECT RANK() OVER (ORDER BY a) FROM t"));
        assert!(is_ordered("SELECT RANK() OVER (ORDER BY a) p FROM t order by (p)"));
        assert!(!is_ordered("SELECT a FROM t"));
    }

    #[test]
    fn limit_is_cut_off_at_the_end() {
        assert_eq!(without_limit("SELECT a FROM t LIMIT 3"), Some("SELECT a FROM t"));
        assert_eq!(without_limit("SELECT a FROM t\nLIMIT 3 OFFSET 4"), Some("SELECT a FROM t"));
        assert_eq!(without_limit("(SELECT a FROM t LIMIT 2) LIMIT 3, 4"), Some("(SELECT a FROM t LIMIT 2)"));
        assert_eq!(without_limit("(SELECT a FROM t LIMIT 2)"), None);
        assert_eq!(without_limit("SELECT a FROM t"), None);
    }

    #[test]
    fn the_verb_is_the_first_word() {
        assert_eq!(verb(" (select 1) union select 2"), "SELECT");
        assert!(changes_rows("delete from t"));
        assert!(!changes_rows("SELECT 1"));
    }

    #[test]
    fn scripts_fall_into_statements() {
        assert_eq!(statements("-- a; b\nSELECT ';';\n\nSELECT\n 2;"), ["SELECT ';'", "SELECT\n 2"]);
    }
}
