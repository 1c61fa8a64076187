//! sqlparser's MySQL dialect with the operators that it binds otherwise than MySQL.

use std::any::TypeId;

use sqlparser::ast::{Expr, Statement, UnaryOperator};
use sqlparser::dialect::{Dialect, MySqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// `^` binds tighter than `*`, and `!a` tighter than all of them.
const CARET: u8 = 45;
const BANG: u8 = 60;

/// MySQL, as the servers parse it. `||` is handled before, by token.
#[derive(Debug, Default)]
pub(crate) struct ServerDialect {
    base: MySqlDialect,
}

/// Asks the wrapped dialect, so that an answer of its own is never lost.
macro_rules! forward {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool { self.base.$name() })*
    };
}

impl Dialect for ServerDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, character: char) -> bool {
        self.base.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        self.base.is_identifier_part(character)
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        self.base.is_delimited_identifier_start(character)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.base.identifier_quote_style(identifier)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        if !parser.consume_token(&Token::ExclamationMark) {
            return self.base.parse_prefix(parser);
        }
        let operand = parser.parse_subexpr(BANG);
        Some(operand.map(|expr| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }))
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Caret => Some(Ok(CARET)),
            _ => self.base.get_next_precedence(parser),
        }
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        self.base.parse_infix(parser, expr, precedence)
    }

    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Result<Statement, ParserError>> {
        self.base.parse_statement(parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        self.base.is_table_factor_alias(explicit, keyword, parser)
    }

    /// What may follow a select list without FROM.
    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        !matches!(keyword, Keyword::FOR | Keyword::ON) && self.base.is_column_alias(keyword, parser)
    }

    forward!(
        supports_string_literal_backslash_escape,
        supports_string_literal_concatenation,
        ignores_wildcard_escapes,
        supports_numeric_prefix,
        supports_bitwise_shift_operators,
        supports_multiline_comment_hints,
        require_interval_qualifier,
        supports_limit_comma,
        supports_create_table_select,
        supports_insert_set,
        supports_user_host_grantee,
        supports_table_hints,
        requires_single_line_comment_whitespace,
        supports_match_against,
        supports_select_modifiers,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_update_order_by,
        supports_data_type_signed_suffix,
        supports_cross_join_constraint,
        supports_double_ampersand_operator,
        supports_binary_kw_as_cast,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
    );
}
