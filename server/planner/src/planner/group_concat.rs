//! GROUP_CONCAT over several shards: in any order, or in one that shards sort their rows within groups by.

use sqlparser::ast::{Expr, Function, FunctionArgumentClause, OrderByExpr, OrderBySort};

use super::aggregate::{Call, group_within, mixed, within_key};
use super::call_text::{inner_order, separator};
use super::folding::Folding;
use crate::plan::{Aggregate, Fold};
use crate::refusal::Refusal;
use crate::schema::{ColumnClass, ColumnSchema};

impl Call<'_> {
    /// The fold of a call with these clauses.
    pub(super) fn concat(
        &self,
        folding: &mut Folding<'_, '_, '_>,
        function: &Function,
        clauses: &[FunctionArgumentClause],
    ) -> Result<Fold, Refusal> {
        let (mut between, mut order): (_, &[OrderByExpr]) = (",".to_owned(), &[]);
        for clause in clauses {
            match clause {
                FunctionArgumentClause::Separator(value) => {
                    let span = separator(folding.walk.text, function);
                    let read = span.map(|span| folding.walk.text.statement.value_at(span));
                    between = match (read, &value.value) {
                        (Some(Ok(Some(vitrail_proto::value::Value::Text(text)))), _) => text,
                        _ => return Err(mixed()),
                    };
                }
                FunctionArgumentClause::OrderBy(keys) => order = keys,
                _ => return Err(mixed()),
            }
        }
        if !folding
            .scope
            .items
            .iter()
            .all(|item| item.schema.is_some_and(|schema| schema.columns.iter().all(is_compact)))
        {
            return Err(self.unproven("tables whose text is in utf8mb4, utf8mb3, latin1 or ascii"));
        }
        let mut within = Vec::with_capacity(order.len());
        if !order.is_empty() {
            let texts = inner_order(folding.walk.text, function).filter(|texts| texts.len() == order.len());
            for (key, range) in order.iter().zip(texts.ok_or_else(mixed)?) {
                // A number means an argument.
                let by_position = match &key.expr {
                    Expr::Value(value) => value.value.to_string().parse::<usize>().ok(),
                    _ => None,
                };
                let descending = matches!(key.options.sort, Some(OrderBySort::Desc));
                let key = match by_position.map(|position| self.args.get(position.wrapping_sub(1))) {
                    Some(Some(arg)) => within_key(folding, arg.expr, || Some(arg.text.clone()), descending)?,
                    Some(None) => return Err(mixed()),
                    None => {
                        let text = folding.copy(range);
                        within_key(folding, &key.expr, || text, descending)?
                    }
                };
                within.push(key);
            }
        }
        let mut distinct = false;
        if self.distinct {
            if order.is_empty() {
                distinct = self.counts_once(folding)?;
            } else {
                // The values themselves are the order, so that equal ones come one after the other.
                let [arg] = self.args.as_slice() else { return Err(mixed()) };
                let [key] = within.as_slice() else { return Err(mixed()) };
                let own = within_key(folding, arg.expr, || Some(arg.text.clone()), key.key.descending)?;
                if own != *key {
                    return Err(mixed());
                }
                distinct = true;
            }
        }
        if !within.is_empty() {
            group_within(folding, within)?;
        }
        let limit = folding.hide("@@group_concat_max_len".to_owned(), Aggregate::Any, true);
        Ok(Fold { aggregate: Aggregate::Concat { separator: between.into(), limit }, distinct })
    }
}

/// Whether a column's text takes no more bytes in MySQL than in utf8mb4.
fn is_compact(column: &ColumnSchema) -> bool {
    match &column.class {
        ColumnClass::Text(collation) => {
            ["utf8mb4_", "utf8mb3_", "utf8_", "latin1_", "ascii_"].iter().any(|charset| collation.starts_with(charset))
        }
        ColumnClass::Unknown => false,
        _ => true,
    }
}
