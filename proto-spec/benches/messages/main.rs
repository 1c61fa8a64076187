//! How long the operations on messages take.

mod inputs;
mod operations;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, prepare) in operations::OPERATIONS {
        criterion.bench_function(name, |bencher| bencher.iter(prepare()));
    }
    criterion.final_summary();
}
