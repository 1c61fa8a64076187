//! The `vindexes` of a keyspace's vschema: from type and parameters to the function from the values of columns to a keyspace id.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::VSchemaError;
use crate::vindex::{Part, Vindex};

/// Vindex types that Vitess has and that this planner does not take.
const OTHER_VINDEXES: [&str; 17] = [
    "cfc",
    "consistent_lookup",
    "consistent_lookup_unique",
    "lookup",
    "lookup_hash",
    "lookup_hash_unique",
    "lookup_unicodeloosemd5_hash",
    "lookup_unicodeloosemd5_hash_unique",
    "lookup_unique",
    "null",
    "numeric_static_map",
    "region_json",
    "etcd_lookup",
    "unicode_loose_sha",
    "binary_sha",
    "utf8cfc",
    "subsharding",
];

/// Bytes of a keyspace id that `multicol` divides among its columns.
const MULTICOL_BYTES: u8 = 8;

/// One vindex as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VindexForm {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    params: BTreeMap<String, Json>,
    #[serde(default)]
    owner: String,
}

/// For each column in turn, its own function and what of that stands in the keyspace id.
pub(super) type Function = Vec<(Vindex, Part)>;

/// Reads the vindex `name`.
pub(super) fn read(keyspace: &str, name: &str, form: &VindexForm) -> Result<Function, VSchemaError> {
    let reader = Reader { keyspace, name, form };
    if !form.owner.is_empty() {
        return Err(reader.wrong(format!("only a lookup vindex has an owner, and `{}` is none", form.kind)));
    }
    match form.kind.as_str() {
        "multicol" => reader.multicol(),
        "region_experimental" => reader.region(),
        kind => {
            let vindex = reader.single(kind)?;
            reader.known(&[])?;
            Ok(vec![(vindex, Part::Whole)])
        }
    }
}

struct Reader<'a> {
    keyspace: &'a str,
    name: &'a str,
    form: &'a VindexForm,
}

impl Reader<'_> {
    fn single(&self, kind: &str) -> Result<Vindex, VSchemaError> {
        Vindex::from_name(kind).ok_or_else(|| {
            if OTHER_VINDEXES.contains(&kind) {
                return VSchemaError::Unsupported {
                    keyspace: self.keyspace.to_owned(),
                    place: self.place(),
                    feature: format!("the vindex type `{kind}`"),
                };
            }
            VSchemaError::UnknownVindex {
                keyspace: self.keyspace.to_owned(),
                vindex: self.name.to_owned(),
                kind: kind.to_owned(),
                hint: nearest(kind),
            }
        })
    }

    /// Several columns, each with some bytes of its own function.
    fn multicol(&self) -> Result<Function, VSchemaError> {
        self.known(&["column_count", "column_bytes", "column_vindex"])?;
        let count = self.number("column_count")?.filter(|count| (1..=MULTICOL_BYTES).contains(count));
        let count = usize::from(count.ok_or_else(|| self.wrong("it needs a `column_count` from 1 to 8"))?);
        let kinds = self.list("column_vindex", count)?;
        let bytes = self.list("column_bytes", count)?;
        let read = |text: &String| match text.as_str() {
            "" => Ok(None),
            text => text.parse::<u8>().ok().filter(|bytes| *bytes > 0).map(Some).ok_or_else(|| {
                self.wrong(format!("`{text}` among its `column_bytes` is no number of bytes from 1 to 8"))
            }),
        };
        let bytes = bytes.iter().map(read).collect::<Result<Vec<Option<u8>>, _>>()?;
        let given = bytes.iter().flatten().fold(0_u8, |sum, bytes| sum.saturating_add(*bytes));
        let mut open = u8::try_from(bytes.iter().filter(|bytes| bytes.is_none()).count()).unwrap_or(u8::MAX);
        let Some(mut left) = MULTICOL_BYTES.checked_sub(given).filter(|left| *left >= open) else {
            return Err(self.wrong("its `column_bytes` are more than 8 together, with one at least for each column"));
        };
        let mut function = Vec::with_capacity(count);
        for (kind, bytes) in kinds.iter().zip(bytes) {
            let vindex = self.single(if kind.is_empty() { Vindex::Hash.name() } else { kind })?;
            let bytes = bytes.unwrap_or_else(|| {
                // What is left is shared out evenly, the first ones getting more.
                let share = left.div_ceil(open);
                (left, open) = (left - share, open - 1);
                share
            });
            function.push((vindex, Part::First(bytes)));
        }
        Ok(function)
    }

    /// The number of a region, and a column by `hash` behind it.
    fn region(&self) -> Result<Function, VSchemaError> {
        self.known(&["region_bytes"])?;
        let bytes = self.number("region_bytes")?.filter(|bytes| (1..=2).contains(bytes));
        let bytes = bytes.ok_or_else(|| self.wrong("it needs `region_bytes`, 1 or 2"))?;
        Ok(vec![(Vindex::Numeric, Part::Last(bytes)), (Vindex::Hash, Part::Whole)])
    }

    /// Refuses parameters that are not among these.
    fn known(&self, names: &[&str]) -> Result<(), VSchemaError> {
        match self.form.params.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(self.wrong(format!("the vindex type `{}` has no parameter `{name}`", self.form.kind))),
            None => Ok(()),
        }
    }

    /// Vitess writes numbers as texts.
    fn text(&self, name: &str) -> Result<Option<String>, VSchemaError> {
        match self.form.params.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong(format!("its parameter `{name}` is neither a text nor a number"))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u8>, VSchemaError> {
        Ok(self.text(name)?.and_then(|text| text.trim().parse().ok()))
    }

    /// A list with one item for each of `count` columns; empty ones where it has none.
    fn list(&self, name: &str, count: usize) -> Result<Vec<String>, VSchemaError> {
        let text = self.text(name)?.unwrap_or_default();
        let mut items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
        if items.len() > count {
            return Err(self.wrong(format!("its `{name}` names more than the {count} columns of `column_count`")));
        }
        items.resize(count, String::new());
        Ok(items)
    }

    fn place(&self) -> String {
        format!("vindex `{}`", self.name)
    }

    fn wrong(&self, reason: impl Into<String>) -> VSchemaError {
        VSchemaError::Inconsistent { keyspace: self.keyspace.to_owned(), place: self.place(), reason: reason.into() }
    }
}

fn nearest(kind: &str) -> String {
    Vindex::ALL
        .into_iter()
        .map(Vindex::name)
        .chain(["multicol", "region_experimental"])
        .map(|name| (strsim::damerau_levenshtein(kind, name), name))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> Result<Function, String> {
        let form: VindexForm = serde_json::from_str(text).expect("a form");
        read("shop", "v", &form).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_are_shared_out_as_in_vitess() {
        let shares = |parameters: &str| {
            let parts = function(&format!(r#"{{"type": "multicol", "params": {{{parameters}}}}}"#));
            parts.map(|parts| parts.into_iter().map(|(vindex, part)| (vindex.name(), part)).collect::<Vec<_>>())
        };
        let first = Part::First;
        for (parameters, expected) in [
            (r#""column_count": "1""#, vec![("hash", first(8))]),
            (r#""column_count": 3"#, vec![("hash", first(3)), ("hash", first(3)), ("hash", first(2))]),
            (
                r#""column_count": "3", "column_bytes": "1,,2", "column_vindex": "numeric, ,xxhash""#,
                vec![("numeric", first(1)), ("hash", first(5)), ("xxhash", first(2))],
            ),
            (r#""column_count": "2", "column_bytes": "2,3""#, vec![("hash", first(2)), ("hash", first(3))]),
        ] {
            assert_eq!(shares(parameters), Ok(expected), "{parameters}");
        }
        for (parameters, part) in [
            ("", "needs a `column_count` from 1 to 8"),
            (r#""column_count": "9""#, "needs a `column_count` from 1 to 8"),
            (r#""column_count": "2", "column_bytes": "4,5""#, "more than 8 together"),
            (r#""column_count": "2", "column_bytes": "8""#, "more than 8 together"),
            (r#""column_count": "2", "column_bytes": "1,0""#, "`0` among its `column_bytes`"),
            (r#""column_count": "1", "column_bytes": "1,2""#, "more than the 1 columns"),
            (r#""column_count": "1", "column_vindex": "lookup""#, "the vindex type `lookup` is not supported yet"),
            (r#""column_count": "1", "column_vindex": "hsah""#, "did you mean `hash`?"),
            (r#""column_count": "1", "hello": "world""#, "has no parameter `hello`"),
            (r#""column_count": true"#, "neither a text nor a number"),
        ] {
            let error = shares(parameters).unwrap_err();
            assert!(error.contains(part), "{parameters}: {error}");
        }
    }

    #[test]
    fn a_region_takes_one_byte_or_two() {
        let region = |bytes: &str| {
            function(&format!(r#"{{"type": "region_experimental", "params": {{"region_bytes": "{bytes}"}}}}"#))
        };
        assert_eq!(region("2"), Ok(vec![(Vindex::Numeric, Part::Last(2)), (Vindex::Hash, Part::Whole)]));
        assert!(region("3").unwrap_err().contains("`region_bytes`, 1 or 2"));
    }
}
