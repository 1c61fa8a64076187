//! What MySQL takes and sqlparser does not, in a spelling that means the same to a plan. Only tokens change; the text that reaches MySQL stays.

mod nested;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token as Node, TokenWithSpan};

pub(crate) use self::nested::{bare_tables, nested};

/// Units of an interval that name two, to the one that decides its type: what has a time makes a date a date with a time, what has
/// microseconds gives it digits behind the point.
const UNITS: [(&str, &str); 11] = [
    ("YEAR_MONTH", "MONTH"),
    ("DAY_HOUR", "HOUR"),
    ("DAY_MINUTE", "MINUTE"),
    ("DAY_SECOND", "SECOND"),
    ("HOUR_MINUTE", "MINUTE"),
    ("HOUR_SECOND", "SECOND"),
    ("MINUTE_SECOND", "SECOND"),
    ("DAY_MICROSECOND", "MICROSECOND"),
    ("HOUR_MICROSECOND", "MICROSECOND"),
    ("MINUTE_MICROSECOND", "MICROSECOND"),
    ("SECOND_MICROSECOND", "MICROSECOND"),
];

/// The compound units of intervals, all of them reserved words.
pub(crate) fn plain_units(tokens: &mut [TokenWithSpan]) {
    for token in tokens {
        let Node::Word(word) = &token.token else { continue };
        if word.quote_style.is_some() || !word.value.contains('_') {
            continue;
        }
        if let Some((_, unit)) = UNITS.iter().find(|(name, _)| word.value.eq_ignore_ascii_case(name)) {
            token.token = Node::make_keyword(unit);
        }
    }
}

/// The first argument of these, which is a word, to a text: sqlparser takes it for a column.
pub(crate) fn quoted_units(tokens: &mut [TokenWithSpan]) {
    for at in 3..tokens.len() {
        let Some(call) = tokens.get_mut(at - 3..=at) else { return };
        let named = ["TIMESTAMPDIFF", "TIMESTAMPADD", "GET_FORMAT"].iter().any(|name| is_word(&call[0], name));
        if named
            && let (Node::LParen, Node::Word(unit), Node::Comma) = (&call[1].token, &call[2].token, &call[3].token)
            && unit.quote_style.is_none()
        {
            call[2].token = Node::SingleQuotedString(unit.value.clone());
        }
    }
}

/// `FROM DUAL`, which says that there are no tables. In any other place DUAL stays, and is no table either.
pub(crate) fn without_dual(tokens: &mut Vec<TokenWithSpan>) {
    let mut at = 0;
    while at < tokens.len() {
        let ends = match tokens.get(at + 2).map(|token| &token.token) {
            None | Some(Node::RParen | Node::SemiColon) => true,
            Some(Node::Word(word)) => word.quote_style.is_none() && BEHIND_DUAL.contains(&word.keyword),
            _ => false,
        };
        if ends && is_word(&tokens[at], "FROM") && tokens.get(at + 1).is_some_and(|next| is_word(next, "DUAL")) {
            tokens.drain(at..at + 2);
        } else {
            at += 1;
        }
    }
}

/// What may follow where tables end.
const BEHIND_DUAL: [Keyword; 14] = [
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::FOR,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    // KEY UPDATE
    Keyword::ON,
    Keyword::RETURNING,
];

/// Words between UPDATE or DELETE and its table. All of them are reserved but QUICK, which is a modifier where another word follows.
pub(crate) fn without_modifiers(tokens: &mut Vec<TokenWithSpan>) {
    let deletes = match tokens.first() {
        Some(first) if is_word(first, "DELETE") => true,
        Some(first) if is_word(first, "UPDATE") => false,
        _ => return,
    };
    while let [_, modifier, next, ..] = tokens.as_slice() {
        let quick = deletes && is_word(modifier, "QUICK") && matches!(&next.token, Node::Word(_));
        if !quick && !is_word(modifier, "LOW_PRIORITY") && !is_word(modifier, "IGNORE") {
            return;
        }
        tokens.remove(1);
    }
}

/// `DELETE … ORDER BY … LIMIT … RETURNING …` to `DELETE … RETURNING … ORDER BY … LIMIT …`.
pub(crate) fn returning_first(tokens: &mut [TokenWithSpan]) {
    if !tokens.first().is_some_and(|first| is_word(first, "DELETE")) {
        return;
    }
    let (mut depth, mut behind) = (0_usize, None);
    for at in 0..tokens.len() {
        match tokens[at].token {
            Node::LParen => depth += 1,
            Node::RParen => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if is_word(&tokens[at], "ORDER") || is_word(&tokens[at], "LIMIT") => behind = behind.or(Some(at)),
            _ if is_word(&tokens[at], "RETURNING") => {
                if let Some(behind) = behind {
                    tokens[behind..].rotate_left(at - behind);
                }
                return;
            }
            _ => {}
        }
    }
}

fn is_word(token: &TokenWithSpan, name: &str) -> bool {
    matches!(&token.token, Node::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use crate::lexer::LexMode;
    use crate::normalise::normalise;
    use crate::parse::parse;

    pub(super) fn parsed(sql: &str) -> String {
        let statement = normalise(sql.into(), LexMode::default()).expect("it is normalised");
        parse(&statement).unwrap_or_else(|error| panic!("{sql}: {error}")).statement.to_string()
    }

    #[test]
    fn intervals_have_compound_units() {
        for (name, unit) in super::UNITS {
            let sql = |unit: &str| format!("SELECT d + INTERVAL '1' {unit} FROM t");
            assert_eq!(parsed(&sql(name)), parsed(&sql(unit)), "{name}");
        }
    }

    #[test]
    fn units_are_no_columns() {
        for (sql, want) in [
            ("select timestampdiff(day, a, b)", "SELECT timestampdiff('day', a, b)"),
            ("select timestampadd(SQL_TSI_HOUR, 1, b) from t", "SELECT timestampadd('SQL_TSI_HOUR', 1, b) FROM t"),
            ("select get_format(date, 'EUR')", "SELECT get_format('date', 'EUR')"),
            ("select timestampdiff(`day`, a, b)", "SELECT timestampdiff(`day`, a, b)"),
            ("select least(day, a, b)", "SELECT least(day, a, b)"),
        ] {
            assert_eq!(parsed(sql), want);
        }
    }

    #[test]
    fn dual_is_no_table() {
        for (sql, want) in [
            ("select 1 from dual", "SELECT 1"),
            ("select 1 from Dual where 1 = 2 for update", "SELECT 1 WHERE 1 = 2 FOR UPDATE"),
            ("select 1 for share", "SELECT 1 FOR SHARE"),
            ("select exists (select 1 from dual) from dual limit 1", "SELECT EXISTS (SELECT 1) LIMIT 1"),
            ("select 1 from dual lock in share mode", "SELECT 1 FOR SHARE"),
            ("select 1 from `dual`", "SELECT 1 FROM `dual`"),
            ("select 1 from dual d", "SELECT 1 FROM dual d"),
            ("select 1 from dual, t", "SELECT 1 FROM dual, t"),
        ] {
            assert_eq!(parsed(sql), want);
        }
        let insert = parsed("insert into t select 1, 2 from dual on duplicate key update a = 3");
        assert_eq!(insert, "INSERT INTO t SELECT 1, 2 ON DUPLICATE KEY UPDATE a = 3");
    }

    #[test]
    fn modifiers_are_no_tables() {
        for (sql, want) in [
            ("update low_priority ignore t set a = 1", "UPDATE t SET a = 1"),
            ("update ignore t, s set a = 1", "UPDATE t CROSS JOIN s SET a = 1"),
            ("update `ignore` set a = 1", "UPDATE `ignore` SET a = 1"),
            ("delete low_priority quick ignore from t", "DELETE FROM t"),
            ("delete quick from t", "DELETE FROM t"),
            (
                "delete from t where a in (select b from s limit 1) order by a limit 2 returning a, b",
                "DELETE FROM t WHERE a IN (SELECT b FROM s LIMIT 1) RETURNING a, b ORDER BY a LIMIT 2",
            ),
            ("delete quick, t from quick join t on true", "DELETE quick, t FROM quick JOIN t ON true"),
        ] {
            assert_eq!(parsed(sql), want);
        }
    }
}
