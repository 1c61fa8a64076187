//! Which part of a row's keyspace id a column decides, where several columns do.

use crate::key_range::KeyspaceId;

/// The bytes of a column's own keyspace id that stand in that of its row, behind those of the columns before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Part {
    /// All of them.
    #[default]
    Whole,
    /// So many from its beginning; what it has less is zeros, unless it is the last column.
    First(u8),
    /// So many from its end.
    Last(u8),
}

impl Part {
    /// Adds the part of `id` to `row`, the keyspace id of the row as far as the columns before decide it.
    pub(crate) fn append(self, id: &KeyspaceId, row: &mut KeyspaceId, last: bool) {
        let bytes = id.0.as_slice();
        match self {
            Part::Whole => row.0.extend_from_slice(bytes),
            Part::First(count) => {
                let count = usize::from(count);
                row.0.extend(bytes.iter().take(count));
                if !last {
                    row.0.extend(std::iter::repeat_n(0, count.saturating_sub(bytes.len())));
                }
            }
            Part::Last(count) => row.0.extend_from_slice(&bytes[bytes.len().saturating_sub(usize::from(count))..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vindex::Vindex;
    use vitrail_proto::value::Value;

    fn row(columns: &[(Vindex, Part, Value)]) -> String {
        let mut row = KeyspaceId(Vec::new());
        for (number, (vindex, part, value)) in columns.iter().enumerate() {
            let id = vindex.keyspace_id(value, None).expect("an id");
            part.append(&id, &mut row, number + 1 == columns.len());
        }
        row.to_string()
    }

    /// The values are those of Vitess's own test of `multicol`, and follow from the definition of `region_experimental`.
    #[test]
    fn ids_of_several_columns_are_those_of_vitess() {
        let hash = |part, value| (Vindex::Hash, part, Value::Int(value));
        let three = |first| [hash(Part::First(3), first), hash(Part::First(3), 1), hash(Part::First(2), 1)];
        assert_eq!(row(&three(1)), "166b40166b40166b");
        assert_eq!(row(&three(255)), "254e88166b40166b");
        assert_eq!(row(&three(256)), "dd7c0b166b40166b");
        let region =
            |bytes, region| row(&[(Vindex::Numeric, Part::Last(bytes), Value::Int(region)), hash(Part::Whole, 1)]);
        assert_eq!(region(1, 255), "ff166b40b44aba4bd6");
        assert_eq!(region(2, 256), "0100166b40b44aba4bd6");
        let short = |last| {
            let text = (Vindex::Binary, Part::First(4), Value::Text("ab".into()));
            if last { row(&[text]) } else { row(&[text, hash(Part::First(1), 1)]) }
        };
        assert_eq!((short(true), short(false)), ("6162".to_owned(), "6162000016".to_owned()));
    }
}
