//! How long a look-up in the plan cache takes.

mod operations;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, prepare) in operations::OPERATIONS {
        criterion.bench_function(name, |bencher| bencher.iter(prepare()));
    }
    criterion.final_summary();
}
