//! Runs operations again and again, and takes the time.

use criterion::Criterion;

/// Operations by name: what prepares each.
pub type Operations = [(&'static str, fn() -> Box<dyn FnMut()>)];

/// As `cargo bench` asks for it.
pub fn run(operations: &Operations) {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, prepare) in operations {
        criterion.bench_function(name, |bencher| bencher.iter(prepare()));
    }
    criterion.final_summary();
}
