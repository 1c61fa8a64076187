//! The README's code is the quick start, which runs against a real server in the tests of `vitrail`.

#![allow(clippy::unwrap_used, reason = "a panic is the report of a test")]

#[test]
fn the_code_of_the_readme_is_the_quickstart() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```rust\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let example = include_str!("../examples/quickstart.rs");
    let code = &example[example.find("\nuse ").unwrap() + 1..];
    assert_eq!(shown, code);
}
