//! Rows of a side, matched with a batch of joined rows before it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use vitrail_planner::plan::{Condition, Join, Slot, Step};
use vitrail_proto::error::ErrorBody;
use vitrail_proto::rows::RowBatch;
use vitrail_proto::value::Value;

use super::equality::{append, asked, check};
use super::malformed;
use super::output::Output;
use crate::columns::{Column, Columns};
use crate::merge::condition::holds;
use crate::merge::row::{Row, take_row};

/// The text form of a NULL cell.
const NULL: u8 = 0xfb;

/// A row with the spans of its cells.
#[derive(Clone, Copy)]
struct Cells<'r> {
    text: &'r [u8],
    spans: &'r [Option<Range<usize>>],
}

impl<'r> Cells<'r> {
    fn get(self, column: usize) -> Option<&'r [u8]> {
        self.spans.get(column)?.clone().map(|span| &self.text[span])
    }
}

/// A side and the batch that it is matched with.
pub(super) struct Matcher<'j> {
    side: usize,
    step: &'j Step,
    slots: &'j [Slot],
    keyspace: &'j str,
    /// Columns of the sides before. `None`: none of their rows are there.
    before: &'j [Option<Columns>],
    /// The first column of each side before in a joined row, and behind the last one.
    offsets: Vec<usize>,
    batch: Vec<(Row, Vec<Option<Range<usize>>>)>,
    /// Rows of the batch by their keys.
    index: HashMap<Vec<u8>, Vec<usize>>,
    matched: Vec<bool>,
    columns: Option<Columns>,
    /// Of the row that is matched.
    spans: Vec<Option<Range<usize>>>,
}

impl<'j> Matcher<'j> {
    pub(super) fn new(join: &'j Join, side: usize, before: &'j [Option<Columns>], keyspace: &'j str) -> Matcher<'j> {
        let mut offsets = vec![0];
        for known in 0..side {
            offsets.push(offsets[known] + join.step(known).columns);
        }
        Matcher {
            side,
            step: join.step(side),
            slots: &join.plan().slots,
            keyspace,
            before,
            offsets,
            batch: Vec::new(),
            index: HashMap::new(),
            matched: Vec::new(),
            columns: None,
            spans: Vec::new(),
        }
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.step.keys.is_empty()
    }

    /// The side's columns, once a row was asked for.
    pub(super) fn into_columns(self) -> Option<Columns> {
        self.columns
    }

    /// Takes a batch; gives the values that the side is asked for by each key. `None`: no row can have any.
    pub(super) fn begin(&mut self, rows: &[Row]) -> Result<Option<Vec<Vec<Value>>>, ErrorBody> {
        self.batch.clear();
        self.index.clear();
        self.matched = vec![false; rows.len()];
        let width = self.offsets[self.side];
        let mut values: Vec<BTreeMap<Vec<u8>, Value>> = vec![BTreeMap::new(); self.step.keys.len()];
        for (number, row) in rows.iter().enumerate() {
            let mut spans = Vec::with_capacity(width);
            row.find_cells(width, &mut spans).ok_or_else(malformed)?;
            self.batch.push((row.clone(), spans));
            if let Some((form, of_row)) = self.keys_of(number)? {
                self.index.entry(form).or_default().push(number);
                for (values, (form, value)) in values.iter_mut().zip(of_row) {
                    values.entry(form).or_insert(value);
                }
            }
        }
        if self.has_keys() && self.index.is_empty() || rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(values.into_iter().map(|values| values.into_values().collect()).collect()))
    }

    /// The form of a row's keys, and each by itself with the value that is asked for. `None`: it matches no row.
    #[expect(clippy::type_complexity, reason = "used once")]
    fn keys_of(&self, number: usize) -> Result<Option<(Vec<u8>, Vec<(Vec<u8>, Value)>)>, ErrorBody> {
        let (mut form, mut of_row) = (Vec::new(), Vec::with_capacity(self.step.keys.len()));
        for key in &self.step.keys {
            let (Some(left), Some(value)) = (self.old(number, key.left), self.old(number, key.value)) else {
                return Ok(None);
            };
            let column = self.column(key.value).ok_or_else(malformed)?;
            let value = asked(&key.equality, value, column)?;
            let start = form.len();
            append(&key.equality, left, &mut form).ok_or_else(malformed)?;
            of_row.push((form[start..].to_vec(), value));
        }
        Ok(Some((form, of_row)))
    }

    /// Takes the side's columns.
    pub(super) fn fields(&mut self, packed: &Bytes) -> Result<(), ErrorBody> {
        let columns = Columns::read(packed, self.keyspace).ok_or_else(malformed)?;
        if columns.list.len() != self.step.columns {
            return Err(malformed());
        }
        self.columns = Some(columns);
        for key in &self.step.keys {
            if let (Some(left), Some(right)) = (self.column(key.left), self.column(key.right)) {
                check(&key.equality, left, right)?;
            }
        }
        Ok(())
    }

    /// Takes rows of the side.
    pub(super) async fn rows(&mut self, batch: RowBatch, out: &mut Output) -> Result<(), ErrorBody> {
        let mut bytes = batch.bytes;
        let mut form = Vec::new();
        let all: Vec<usize> = if self.has_keys() { Vec::new() } else { (0..self.batch.len()).collect() };
        while !bytes.is_empty() {
            let row = take_row(&mut bytes).ok_or_else(malformed)?;
            let mut spans = std::mem::take(&mut self.spans);
            row.find_cells(self.step.columns, &mut spans).ok_or_else(malformed)?;
            let own = Cells { text: row.text(), spans: &spans };
            form.clear();
            let mut known = true;
            for key in &self.step.keys {
                match own.get(self.slots[key.right].column) {
                    Some(value) => append(&key.equality, value, &mut form).ok_or_else(malformed)?,
                    None => known = false,
                }
            }
            let found = match (known, self.has_keys()) {
                (false, _) => Vec::new(),
                (true, false) => all.clone(),
                (true, true) => self.index.get(&form).cloned().unwrap_or_default(),
            };
            for number in found {
                if self.holds(self.step.matches.as_ref(), number, Some(own))? {
                    self.matched[number] = true;
                    self.give(number, Some(own), out).await?;
                }
            }
            self.spans = spans;
        }
        Ok(())
    }

    /// Ends the batch: rows without a match go on alone where they are to.
    pub(super) async fn end(&mut self, out: &mut Output) -> Result<(), ErrorBody> {
        if self.step.outer {
            for number in 0..self.batch.len() {
                if !self.matched[number] {
                    self.give(number, None, out).await?;
                }
            }
        }
        Ok(())
    }

    async fn give(&self, number: usize, own: Option<Cells<'_>>, out: &mut Output) -> Result<(), ErrorBody> {
        if !self.holds(self.step.after.as_ref(), number, own)? {
            return Ok(());
        }
        let nulls = vec![NULL; self.step.columns];
        let text = own.map_or(&*nulls, |own| own.text);
        let cell = |slot: usize| self.cell(slot, number, own);
        out.push([self.batch[number].0.text(), text], &cell).await
    }

    fn holds(&self, condition: Option<&Condition>, number: usize, own: Option<Cells<'_>>) -> Result<bool, ErrorBody> {
        let Some(condition) = condition else { return Ok(true) };
        Ok(holds(condition, &[], &|slot| self.cell(slot, number, own))? == Some(true))
    }

    fn cell<'r>(&'r self, slot: usize, number: usize, own: Option<Cells<'r>>) -> Option<&'r [u8]> {
        let Slot { side, column } = self.slots[slot];
        if side == self.side { own?.get(column) } else { self.old(number, slot) }
    }

    /// The value of a slot of the sides before.
    fn old(&self, number: usize, slot: usize) -> Option<&[u8]> {
        let Slot { side, column } = self.slots[slot];
        let (row, spans) = &self.batch[number];
        Cells { text: row.text(), spans }.get(self.offsets.get(side)? + column)
    }

    fn column(&self, slot: usize) -> Option<&Column> {
        let Slot { side, column } = self.slots[slot];
        let columns = if side == self.side { self.columns.as_ref() } else { self.before.get(side)?.as_ref() };
        columns?.list.get(column)
    }
}
