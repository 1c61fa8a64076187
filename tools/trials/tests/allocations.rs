//! A point select allocates no more than the table of goals allows.

use std::path::Path;

use vitrail_harness::flavours;
use vitrail_trials::goals::allocations::{BOUND, count};
use vitrail_trials::goals::stage::MySql;

#[tokio::test]
async fn a_point_select_allocates_little_on_the_server() {
    for flavour in flavours() {
        let mysql = MySql::start(flavour).await;
        let found = count(Path::new(env!("CARGO_BIN_EXE_counted")), &mysql, 500).await;
        let found = found.unwrap_or_else(|error| panic!("{flavour}: {error}"));
        // One at least: the answer has to be somewhere.
        assert!((1.0..=BOUND).contains(&found.allocated), "{flavour}: {found:?}");
        mysql.stop().await;
    }
}
