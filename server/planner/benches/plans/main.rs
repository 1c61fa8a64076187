//! How long the operations on plans take.

#[path = "../../../../proto-spec/benches/messages/inputs.rs"]
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
