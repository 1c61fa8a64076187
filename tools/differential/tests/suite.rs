//! The whole suite: every statement as one MySQL has it, or refused and tagged.

use vitrail_differential::suite::Selection;
use vitrail_differential::{Options, run};

#[tokio::test(flavor = "multi_thread")]
async fn vitrail_answers_as_one_mysql() {
    let options = Options { flavours: vitrail_harness::flavours(), selection: Selection::default() };
    let report = run(&options).await.expect("the suite runs");
    assert!(report.is_right(), "{}", report.text());
}
