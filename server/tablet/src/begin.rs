//! The statements that begin a transaction.

use vitrail_proto::message::BeginOptions;

/// In order; the first one, if there are two, sets the isolation of the transaction that the second one begins.
pub(crate) fn statements(options: &BeginOptions) -> (Option<String>, String) {
    let isolation = options.isolation.map(|level| format!("SET TRANSACTION ISOLATION LEVEL {}", level.as_str()));
    let mut start = String::from("START TRANSACTION");
    let mut characteristic = |text: &str| {
        start.push_str(if start.len() == "START TRANSACTION".len() { " " } else { ", " });
        start.push_str(text);
    };
    if options.snapshot {
        characteristic("WITH CONSISTENT SNAPSHOT");
    }
    match options.read_only {
        Some(true) => characteristic("READ ONLY"),
        Some(false) => characteristic("READ WRITE"),
        None => {}
    }
    (isolation, start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrail_proto::message::Isolation;

    #[test]
    fn options_become_statements() {
        let begin = |isolation, read_only, snapshot| {
            let (first, second) =
                statements(&BeginOptions { isolation, read_only, snapshot, ..BeginOptions::default() });
            first.map_or_else(|| second.clone(), |first| format!("{first}; {second}"))
        };
        assert_eq!(begin(None, None, false), "START TRANSACTION");
        assert_eq!(begin(None, Some(true), true), "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
        assert_eq!(
            begin(Some(Isolation::ReadCommitted), Some(false), false),
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION READ WRITE"
        );
    }
}
