//! What the view draws, character by character.

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::drive::{Load, Moment, Second};
use crate::process::{Process, Usage};
use crate::record::Record;
use crate::run::Turn;

fn rendered(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal of memory");
    terminal.draw(|frame| draw(frame, screen)).expect("a frame");
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width));
    lines
        .map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned() + "\n")
        .collect()
}

/// A second in which operations took from one to `slowest` milliseconds.
fn measured(screen: &mut Screen, at: u64, done: u64, slowest: u64, failed: u64) {
    let mut added = Record::new(1);
    for number in 0..done {
        added.note(0, Duration::from_micros(1_000 + number * (slowest - 1) * 1_000 / done), Duration::ZERO, 1);
    }
    (0..failed)
        .for_each(|_| added.note_failure("1213", "Deadlock found when trying to get lock", Duration::from_millis(3)));
    let usage = Usage { cpu: Duration::from_millis(430), memory: 37 << 20 };
    let second = Second {
        at: Duration::from_secs(at),
        length: Duration::from_secs(1),
        wanted: screen.wanted,
        done,
        failed,
        statements: done,
        late: at,
        p50: 0,
        p99: slowest * 1_000,
        max: 0,
        usage: vec![Some(usage), None],
        own: Usage { cpu: Duration::from_millis(250), memory: 21 << 20 },
    };
    screen.second(&second, &Moment { added: &added, total: &added });
}

#[tokio::test(start_paused = true)]
async fn a_frame_shows_it_all() {
    let (warmup, duration) = (Duration::from_secs(1), Duration::from_secs(10));
    let load = Load { clients: 64, per_connection: 1, rate: Some(2_000.0), warmup, duration, seed: 1 };
    let processes = ["vitrail", "mysqld"].map(|name| Process::local(name, 1));
    let mut screen = Screen::default();
    let mut shown = String::new();
    for (index, target) in ["direct", "vitrail"].into_iter().enumerate() {
        screen.turn(&Turn {
            workload: "read-write",
            target,
            index,
            targets: 2,
            round: 1,
            rounds: 3,
            number: index,
            processes: &processes,
            load: &load,
        });
        let from = Instant::now() + warmup;
        screen.begin((from, from + duration), load.rate);
        shown += &rendered(&screen, 80, 26);
        tokio::time::advance(Duration::from_secs(5)).await;
        for second in 1..=4 {
            measured(&mut screen, second, 500 * second, 2 * second, u64::from(index > 0) * second);
        }
        shown += &rendered(&screen, 80, 26);
    }
    screen.paced(Some(2_200.0), "2,200 a second from now on");
    // Whatever its size, it does not panic.
    (1..100).for_each(|size| _ = rendered(&screen, size, 100 - size));
    shown += &rendered(&screen, 120, 30);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/view.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &shown).expect("a writable file");
    }
    let expected = std::fs::read_to_string(&golden).expect("the golden file");
    assert!(shown == expected, "UPDATE_GOLDEN=1 accepts this:\n{shown}");
}
