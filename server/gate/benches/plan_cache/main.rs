//! How long a look-up in the plan cache takes.

mod operations;
#[path = "../../../../proto-spec/benches/messages/timed.rs"]
mod timed;

fn main() {
    timed::run(operations::OPERATIONS);
}
