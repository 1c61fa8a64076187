//! The parts of one answer, read by several at their own pace; bounded by cutting off whoever is too far behind.
//!
//! A part is dropped as soon as everybody has read it. Of what was dropped remains a digest, so that a reader that was cut off can
//! tell whether another execution begins with exactly what it has read.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};
use vitrail_service::execution::Part;

/// What a reader that was cut off has read of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Packed bytes.
    pub(crate) bytes: u64,
    /// SHA-256 of them.
    pub(crate) digest: [u8; 32],
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Read {
    /// The next part.
    Part(Part),
    /// No more yet.
    Nothing,
    /// It was cut off, when it had read so much.
    CutOff(Prefix),
}

/// The log. Readers keep their own position, which begins at 0.
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry that is here.
    base: usize,
    readers: usize,
    /// Bytes that are here.
    held: usize,
    /// Bytes that are here and that somebody has not read.
    unread: usize,
    /// So many bytes that all have read stay for readers that join later.
    keep: usize,
    /// Bytes of rows that were dropped, and their digest if there were several readers.
    dropped: u64,
    digest: Sha256,
    /// Where readers were cut off, and what they had read. One for each time.
    cuts: Vec<(usize, Prefix)>,
}

struct Entry {
    part: Part,
    bytes: usize,
    unread_by: usize,
}

impl Log {
    /// An empty log without readers.
    pub(crate) fn new(keep: usize) -> Log {
        Log {
            entries: VecDeque::new(),
            base: 0,
            readers: 0,
            held: 0,
            unread: 0,
            keep,
            dropped: 0,
            digest: Sha256::new(),
            cuts: Vec::new(),
        }
    }

    /// One more reader, from the beginning. `false`: the beginning is not here any more.
    pub(crate) fn join(&mut self) -> bool {
        if self.base > 0 {
            return false;
        }
        self.readers += 1;
        for entry in &mut self.entries {
            if entry.unread_by == 0 {
                self.unread += entry.bytes;
            }
            entry.unread_by += 1;
        }
        true
    }

    /// Appends a part.
    pub(crate) fn push(&mut self, part: Part) {
        let bytes = match &part {
            Part::Fields(fields) => fields.len(),
            Part::Rows(batch) => batch.bytes.len(),
            Part::End(_) => 0,
        };
        self.held += bytes;
        if self.readers > 0 {
            self.unread += bytes;
        }
        self.entries.push_back(Entry { part, bytes, unread_by: self.readers });
    }

    /// What is at a reader's position, which moves on.
    pub(crate) fn read(&mut self, at: &mut usize) -> Read {
        if *at < self.base {
            let prefix = self.cuts.iter().find(|(cut, _)| cut == at).map(|(_, prefix)| *prefix);
            return Read::CutOff(prefix.expect("whoever is behind was cut off where it stood"));
        }
        let Some(entry) = self.entries.get_mut(*at - self.base) else { return Read::Nothing };
        let part = entry.part.clone();
        entry.unread_by -= 1;
        if entry.unread_by == 0 {
            self.unread -= entry.bytes;
        }
        *at += 1;
        self.drop_read(self.keep);
        Read::Part(part)
    }

    /// A reader goes.
    pub(crate) fn leave(&mut self, at: usize) {
        if at < self.base {
            // It was cut off, and is counted no more.
            return;
        }
        self.readers -= 1;
        for entry in self.entries.iter_mut().skip(at - self.base) {
            entry.unread_by -= 1;
            if entry.unread_by == 0 {
                self.unread -= entry.bytes;
            }
        }
        self.drop_read(self.keep);
    }

    /// Cuts off those that have not read the first entry, and gives their number. Only while others have read it.
    pub(crate) fn cut_off_last(&mut self) -> usize {
        let last = self.last();
        if last == 0 || last == self.readers {
            return 0;
        }
        let digest = self.digest.clone().finalize().into();
        self.cuts.push((self.base, Prefix { bytes: self.dropped, digest }));
        self.readers -= last;
        for entry in &mut self.entries {
            entry.unread_by -= last;
            if entry.unread_by == 0 {
                self.unread -= entry.bytes;
            }
        }
        self.drop_read(0);
        last
    }

    /// Who reads.
    pub(crate) fn readers(&self) -> usize {
        self.readers
    }

    /// How many have not read the first entry that is here.
    pub(crate) fn last(&self) -> usize {
        self.entries.front().map_or(0, |entry| entry.unread_by)
    }

    /// How many have read everything.
    pub(crate) fn starved(&self) -> usize {
        self.readers - self.entries.back().map_or(0, |entry| entry.unread_by)
    }

    /// Bytes that are here and that somebody has not read.
    pub(crate) fn unread(&self) -> usize {
        self.unread
    }

    /// Bytes that are here.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// The number of the first entry that is here.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Nothing was appended yet.
    pub(crate) fn is_new(&self) -> bool {
        self.base == 0 && self.entries.is_empty()
    }

    /// Drops entries in front that everybody has read, down to `keep` bytes.
    fn drop_read(&mut self, keep: usize) {
        while self.held > keep && self.entries.front().is_some_and(|entry| entry.unread_by == 0) {
            let entry = self.entries.pop_front().expect("just seen");
            self.base += 1;
            self.held -= entry.bytes;
            if let Part::Rows(batch) = &entry.part {
                self.dropped += batch.bytes.len() as u64;
                // A single reader is never cut off, and once something was dropped nobody joins.
                if self.readers > 1 || !self.cuts.is_empty() {
                    self.digest.update(&batch.bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vitrail_proto::rows::RowBatch;

    use super::*;

    fn rows(byte: u8) -> Part {
        Part::Rows(RowBatch { bytes: Bytes::from(vec![byte; 10]), count: 1 })
    }

    fn byte(read: Read) -> u8 {
        match read {
            Read::Part(Part::Rows(batch)) => batch.bytes[0],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everybody_reads_everything_and_what_all_have_read_goes() {
        let mut log = Log::new(0);
        assert!(log.join() && log.join());
        for number in 0..5 {
            log.push(rows(number));
        }
        let (mut a, mut b) = (0, 0);
        for number in 0..5 {
            assert_eq!(byte(log.read(&mut a)), number);
        }
        assert_eq!(log.starved(), 1);
        assert!(matches!(log.read(&mut a), Read::Nothing));
        assert_eq!((log.unread(), log.held(), log.last()), (50, 50, 1));
        assert_eq!(byte(log.read(&mut b)), 0);
        assert_eq!((log.unread(), log.held(), log.base()), (40, 40, 1));
        log.leave(b);
        assert_eq!((log.unread(), log.held(), log.readers()), (0, 0, 1));
    }

    #[test]
    fn a_late_reader_gets_what_is_still_whole() {
        let mut log = Log::new(25);
        assert!(log.join());
        let mut a = 0;
        for number in 0..2 {
            log.push(rows(number));
            assert_eq!(byte(log.read(&mut a)), number);
        }
        assert!(log.join());
        let mut b = 0;
        assert_eq!((byte(log.read(&mut b)), byte(log.read(&mut b))), (0, 1));
        log.push(rows(2));
        log.push(rows(3));
        assert_eq!((byte(log.read(&mut a)), byte(log.read(&mut b))), (2, 2));
        assert!(!log.join(), "the beginning was dropped");
    }

    #[test]
    fn who_is_cut_off_learns_what_it_has_read() {
        let mut log = Log::new(0);
        assert!(log.join() && log.join() && log.join());
        for number in 0..4 {
            log.push(rows(number));
        }
        let (mut a, mut b, mut c) = (0, 0, 0);
        for (at, count) in [(&mut a, 4), (&mut b, 2), (&mut c, 1)] {
            for _ in 0..count {
                log.read(at);
            }
        }
        assert_eq!((log.last(), log.base()), (1, 1));
        assert_eq!(log.cut_off_last(), 1);
        assert_eq!((log.base(), log.readers(), log.unread()), (2, 2, 20));
        let Read::CutOff(prefix) = log.read(&mut c) else { panic!("c was cut off") };
        let expected: [u8; 32] = Sha256::digest([0; 10]).into();
        assert_eq!(prefix, Prefix { bytes: 10, digest: expected });
        log.leave(c);
        assert_eq!(log.cut_off_last(), 1, "b stands still");
        assert_eq!(log.cut_off_last(), 0, "the last reader is never cut off");
        let Read::CutOff(prefix) = log.read(&mut b) else { panic!("b was cut off") };
        let expected: [u8; 32] = Sha256::digest([[0; 10], [1; 10]].concat()).into();
        assert_eq!(prefix, Prefix { bytes: 20, digest: expected });
        log.push(rows(4));
        assert_eq!(byte(log.read(&mut a)), 4);
        assert_eq!((log.unread(), log.held()), (0, 0));
    }
}
