//! How wide the columns of a table are drawn, and how a cell fits into its width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Kind;

/// No column that can be cut gets narrower than this.
const NARROWEST: usize = 12;
/// What a frame takes for each column, and once.
const PER_COLUMN: usize = 3;
const FRAME: usize = 1;

/// What is known of a column before its width is settled.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Of its widest cell or its name.
    pub natural: usize,
    /// Of its name.
    pub name: usize,
    /// What its cells are.
    pub kind: Kind,
}

impl Measure {
    /// How narrow it may get: numbers and moments are shown whole.
    fn floor(&self) -> usize {
        match self.kind {
            Kind::Text | Kind::Json | Kind::Binary => self.natural.min(NARROWEST.max(self.name.min(24))),
            Kind::Number | Kind::Decimal | Kind::Moment => self.natural,
        }
    }
}

/// The width of each column so that all fit into `width`; `None` if they cannot without losing their meaning.
pub fn fit(columns: &[Measure], width: usize) -> Option<Vec<usize>> {
    let frame = FRAME + PER_COLUMN * columns.len();
    let mut widths: Vec<usize> = columns.iter().map(|column| column.natural).collect();
    let mut excess = (widths.iter().sum::<usize>() + frame).saturating_sub(width);
    while excess > 0 {
        // The widest gives way, down to the next widest.
        let able = (0..columns.len()).filter(|&index| widths[index] > columns[index].floor());
        let widest = able.max_by_key(|&index| widths[index])?;
        let others = (0..columns.len()).filter(|&index| index != widest).map(|index| widths[index]);
        let next = others.filter(|&other| other < widths[widest]).max().unwrap_or(0);
        let to = (widths[widest] - 1).min(next).max(columns[widest].floor()).max(widths[widest].saturating_sub(excess));
        excess -= widths[widest] - to;
        widths[widest] = to;
    }
    Some(widths)
}

/// Columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A text cut to `width` columns, the last of them `…`; whether it had to be cut.
pub fn cut(text: &str, width: usize) -> (String, bool) {
    if text.width() <= width {
        return (text.to_owned(), false);
    }
    let mut used = 0;
    let mut cut = String::new();
    for character in text.chars() {
        let next = character.width().unwrap_or(0);
        if used + next + 1 > width {
            break;
        }
        used += next;
        cut.push(character);
    }
    cut.push('…');
    (cut, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(natural: usize, kind: Kind) -> Measure {
        Measure { natural, name: 2, kind }
    }

    #[test]
    fn texts_give_way_and_numbers_do_not() {
        let columns = [measure(20, Kind::Number), measure(100, Kind::Text), measure(50, Kind::Text)];
        assert_eq!(fit(&columns, 200), Some(vec![20, 100, 50]));
        assert_eq!(fit(&columns, 140), Some(vec![20, 60, 50]));
        assert_eq!(fit(&columns, 80).map(|widths| widths.iter().sum::<usize>()), Some(70));
        assert_eq!(fit(&columns, 54), Some(vec![20, 12, 12]));
        assert_eq!(fit(&columns, 53), None);
        assert_eq!(fit(&[measure(19, Kind::Moment)], 20), None);
        assert_eq!(fit(&[], 20), Some(vec![]));
    }

    #[test]
    fn cells_are_cut_at_characters() {
        assert_eq!(cut("abc", 3), ("abc".into(), false));
        assert_eq!(cut("abcd", 3), ("ab…".into(), true));
        assert_eq!(cut("東京都", 5), ("東京…".into(), true));
        assert_eq!(cut("東京都", 4), ("東…".into(), true));
    }
}
