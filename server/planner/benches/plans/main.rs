//! How long the operations on plans take.

#[path = "../../../../proto-spec/benches/messages/inputs.rs"]
mod inputs;
mod operations;
#[path = "../../../../proto-spec/benches/messages/timed.rs"]
mod timed;

fn main() {
    timed::run(operations::OPERATIONS);
}
