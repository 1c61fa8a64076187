//! What stands behind a command: words apart by blanks, quotes for those that hold some.

/// The words of a line. A quote that is not closed reaches to the end.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The first word and the rest as it stands.
pub(super) fn first(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (first, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_blanks() {
        assert_eq!(words("a 'b c'  \"d\"e ''"), ["a", "b c", "de", ""]);
        assert_eq!(words("  "), Vec::<String>::new());
        assert_eq!(words("'open end"), ["open end"]);
        assert_eq!(first("name  select 1 "), ("name", "select 1"));
    }
}
