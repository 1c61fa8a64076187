//! How long the operations on messages take.

mod inputs;
mod operations;
mod timed;

fn main() {
    timed::run(operations::OPERATIONS);
}
