//! The small forms of `make crowd`.

use vitrail_harness::flavours;
use vitrail_trials::crowd;
use vitrail_trials::rig::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_share_twenty_without_an_error() {
    for flavour in flavours() {
        let mut rig = super::start(Plan { pool: 6, transactions: 4, streams: 0, ..Plan::new(flavour) }).await;
        let report = crowd::connections(&rig, 1_000, 1).await;
        eprintln!("{flavour}: {report}");
        assert!(report.errors.is_empty(), "{} errors, such as {:?}", report.errors.len(), report.errors.first());
        rig.settle().await;
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sessions_on_twenty_connections_keep_their_settings() {
    for flavour in flavours() {
        let mut rig = super::start(Plan { pool: 6, transactions: 4, streams: 0, ..Plan::new(flavour) }).await;
        let report = crowd::sessions(&rig, 2_000, 20, 1).await;
        eprintln!("{flavour}: {report}");
        assert!(report.errors.is_empty(), "{} errors, such as {:?}", report.errors.len(), report.errors.first());
        rig.settle().await;
        rig.stop().await;
    }
}
