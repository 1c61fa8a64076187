//! Folds the one-row answers of several shards into one row.

use vitrail_planner::plan::Aggregate;
use vitrail_proto::error::ErrorBody;
use vitrail_proto::message::ResultEnd;
use vitrail_proto::rows::ColumnType;

use super::order::Native;
use super::row::Packer;
use super::{Cursor, Ends, decimal, double, malformed};
use crate::answer::Answer;
use crate::columns::Column;
use crate::failure;
use crate::scatter::{Calls, Lane};

/// Folds every column by its function.
pub(super) async fn run(
    functions: &[Aggregate],
    columns: &[Column],
    lanes: &mut [Lane],
    calls: &Calls<'_>,
    cap: Option<u64>,
    answer: &mut Answer<'_>,
) -> Result<ResultEnd, ErrorBody> {
    if functions.len() != columns.len() {
        return Err(failure::internal("as many aggregates as columns were expected"));
    }
    let mut folds = functions
        .iter()
        .zip(columns)
        .map(|(function, column)| Fold::new(*function, column))
        .collect::<Result<Vec<_>, _>>()?;
    let mut ends = Ends::default();
    for lane in lanes.iter_mut() {
        let mut cursor = Cursor::new(lane);
        while let Some(row) = cursor.next(calls).await? {
            let cells = row.cells(folds.len()).ok_or_else(malformed)?;
            for (fold, cell) in folds.iter_mut().zip(cells) {
                if let Some(span) = cell {
                    fold.add(&row.text()[span]).ok_or_else(malformed)?;
                }
            }
        }
        cursor.ended.into_iter().for_each(|end| ends.add(end));
    }
    if cap == Some(0) {
        return Ok(ends.into_end(0, cap));
    }
    let mut packer = Packer::default();
    packer.push_cells(folds.into_iter().map(Fold::finish));
    if let Some(batch) = packer.take() {
        answer.rows(batch).await?;
    }
    Ok(ends.into_end(1, None))
}

/// One column under way.
struct Fold {
    how: How,
    decimals: u8,
    value: Option<Vec<u8>>,
    total: f64,
}

enum How {
    Count,
    ExactSum,
    DoubleSum,
    Least(Native),
    Greatest(Native),
}

impl Fold {
    fn new(function: Aggregate, column: &Column) -> Result<Fold, ErrorBody> {
        let order = Native::of(column);
        let how = match (function, order) {
            (Aggregate::Count, Some(Native::Exact)) => How::Count,
            (Aggregate::Sum, Some(Native::Exact)) => How::ExactSum,
            (Aggregate::Sum, Some(Native::Double)) => How::DoubleSum,
            (Aggregate::Min, Some(order)) => How::Least(order),
            (Aggregate::Max, Some(order)) => How::Greatest(order),
            _ => {
                return Err(failure::internal(format!(
                    "column {} has a type that cannot be folded over shards",
                    column.name
                )));
            }
        };
        let decimals =
            if matches!(column.column_type, ColumnType::FLOAT | ColumnType::DOUBLE) { column.decimals } else { 0 };
        Ok(Fold { how, decimals, value: None, total: 0.0 })
    }

    /// Takes one value that is not NULL; `None` if it is not of the column's type.
    fn add(&mut self, value: &[u8]) -> Option<()> {
        let Some(held) = &mut self.value else {
            if let How::DoubleSum = self.how {
                self.total = std::str::from_utf8(value).ok()?.parse().ok()?;
            }
            self.value = Some(value.to_vec());
            return Some(());
        };
        match self.how {
            How::Count | How::ExactSum => *held = decimal::add(held, value)?,
            How::DoubleSum => {
                self.total += std::str::from_utf8(value).ok()?.parse::<f64>().ok()?;
                *held = double::write(self.total, self.decimals);
            }
            How::Least(order) if order.compare(value, held)?.is_lt() => *held = value.to_vec(),
            How::Greatest(order) if order.compare(value, held)?.is_gt() => *held = value.to_vec(),
            How::Least(_) | How::Greatest(_) => {}
        }
        Some(())
    }

    /// COUNT of nothing is 0, everything else of nothing is NULL.
    fn finish(self) -> Option<Vec<u8>> {
        match self.how {
            How::Count => Some(self.value.unwrap_or_else(|| b"0".to_vec())),
            _ => self.value,
        }
    }
}
