//! Texts and bytes.

use super::Grammar;
use crate::scope::{Scope, Value};
use crate::tree;
use crate::tree::Sort;

impl Grammar<'_> {
    /// A text. Its collation is that of the column that it is made of.
    pub(super) fn text(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(40) {
            let column = if self.random.chance(80) { self.tame(scope, Sort::Text) } else { None };
            return match column {
                Some(value) => value,
                None => self.literal(Sort::Text),
            };
        }
        let depth = depth - 1;
        let inner = |grammar: &mut Self| grammar.text(scope, depth);
        match self.random.weighted(&[4, 4, 4, 3, 3, 2, 4, 3, 3, 2, 2, 1]) {
            0 => {
                let name = *self.random.pick(&["UPPER(", "LOWER(", "REVERSE(", "TRIM(", "LTRIM(", "RTRIM("]);
                let text = inner(self);
                of(&text, tree![name, text.tree.clone(), ")"])
            }
            1 => {
                let text = inner(self);
                let part = self.like(scope, Sort::Text, text.collation, 0);
                let collation = text.collation.or(part.collation);
                let tree = match self.random.below(3) {
                    0 => tree!["CONCAT(", text.tree, ", ", part.tree, ")"],
                    1 => tree!["CONCAT_WS('-', ", text.tree, ", ", part.tree, ")"],
                    _ => tree!["REPLACE(", text.tree, ", 'a', ", part.tree, ")"],
                };
                Value::new(Sort::Text, tree).with_collation(collation)
            }
            2 => {
                let text = inner(self);
                let tree = match self.random.below(4) {
                    0 => tree!["LEFT(", text.tree.clone(), ", 2)"],
                    1 => tree!["RIGHT(", text.tree.clone(), ", 1)"],
                    2 => tree!["SUBSTRING(", text.tree.clone(), ", 2)"],
                    _ => tree!["LPAD(", text.tree.clone(), ", 4, 'x')"],
                };
                of(&text, tree)
            }
            3 => {
                let text = inner(self);
                Value::new(Sort::Text, tree!["HEX(", text.tree, ")"])
            }
            4 => {
                let int = self.int(scope, depth);
                Value::new(Sort::Text, tree!["CAST(", int.tree, " AS CHAR)"])
            }
            5 => {
                let text = inner(self);
                Value::new(Sort::Text, tree!["SHA2(", text.tree, ", 256)"])
            }
            6 => self.choice(scope, Sort::Text, depth + 1),
            7 => {
                let format = *self.random.pick(&["'%Y-%m'", "'%d.%m.%Y'", "'%H:%i'", "'%W %M'"]);
                let moment = self.moment(scope, depth);
                Value::new(Sort::Text, tree!["DATE_FORMAT(", moment.tree, ", ", format, ")"])
            }
            8 => {
                let int = self.int(scope, depth);
                Value::new(Sort::Text, tree!["ELT(1 + ABS(", int.tree, ") % 3, 'one', 'two', 'three')"])
            }
            9 => {
                let json = self.json(scope);
                let path = *self.random.pick(&["'$.a'", "'$[0]'", "'$.b[1]'"]);
                let mut value =
                    Value::new(Sort::Text, tree!["JSON_UNQUOTE(JSON_EXTRACT(", json.tree, ", ", path, "))"]);
                // Of the documents' collation, which no other text has.
                (value.sharp, value.collation) = (false, Some("utf8mb4_bin"));
                value
            }
            10 => {
                let decimal = self.decimal(scope, depth);
                Value::new(Sort::Text, tree!["FORMAT(", decimal.tree, ", 1)"])
            }
            _ => self.scalar(scope, Sort::Text, depth),
        }
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, scope: &Scope<'_>, depth: usize) -> Value {
        if depth == 0 || self.random.chance(60) {
            return match self.column(scope, |value| value.sort == Sort::Bytes) {
                Some(value) => value,
                None => self.literal(Sort::Bytes),
            };
        }
        let text = self.text(scope, depth - 1);
        match self.random.below(3) {
            0 => Value::new(Sort::Bytes, tree!["CAST(", text.tree, " AS BINARY)"]),
            1 => Value::new(Sort::Bytes, tree!["UNHEX(SHA2(", text.tree, ", 224))"]),
            _ => Value::new(Sort::Bytes, tree!["LEFT(", "CAST(", text.tree, " AS BINARY), 1)"]),
        }
    }
}

/// A text made of one text, in its collation.
fn of(text: &Value, tree: tree::Tree) -> Value {
    Value::new(Sort::Text, tree).with_collation(text.collation)
}
