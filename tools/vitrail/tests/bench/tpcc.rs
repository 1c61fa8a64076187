//! TPC-C, and what it says of spoilt tables.

use vitrail_harness::flavours;

use crate::stage::{Stage, assert_right, bench, towards};

const SMALL: [&str; 12] = [
    "--workload",
    "tpcc",
    "--scale",
    "warehouses=2",
    "--scale",
    "customers=30",
    "--scale",
    "items=200",
    "--clients",
    "8",
    "--rounds",
    "2",
];

#[tokio::test]
async fn tpcc_runs_and_stays_consistent_on_mysql_and_over_shards() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let targets = stage.targets();
        let small = [&SMALL[..], &towards(&targets)].concat();
        let arguments = [&small[..], &["--prepare", "--duration", "4s", "--warmup", "200ms"]].concat();
        let (report, good, told) = bench("run", &arguments).await;
        assert_right(&report, &told);
        assert!(good, "{flavour}: {told}\n{report:#}");
        for target in report["targets"].as_array().unwrap() {
            assert!(target["figures"]["new orders a minute"].as_f64().unwrap() > 60.0, "{target:#}");
        }
        // Each shard has its own warehouse, all items, and has given stock to orders of the other.
        for (database, warehouse) in [("half_0", 2), ("half_1", 1)] {
            assert_eq!(stage.number(database, "SELECT SUM(w_id) FROM warehouse").await, warehouse);
            assert_eq!(stage.number(database, "SELECT COUNT(*) FROM item").await, 200);
            assert!(stage.number(database, "SELECT SUM(s_remote_cnt) FROM stock").await > 0);
        }
        // A spoilt balance, a lost order line and a lost new order are found, each on its target.
        for (database, sql) in [
            ("direct", "UPDATE warehouse SET w_ytd = w_ytd + 1 WHERE w_id = 2"),
            ("whole", "DELETE FROM order_line WHERE ol_w_id = 1 AND ol_d_id = 3 AND ol_o_id = 5 AND ol_number = 1"),
            ("half_1", "DELETE FROM new_order WHERE no_d_id = 4 ORDER BY no_o_id DESC LIMIT 1"),
        ] {
            stage.execute(database, sql).await;
        }
        let arguments = [&small[..], &["--duration", "200ms", "--warmup", "0s", "--rate", "5"]].concat();
        let (report, good, _) = bench("run", &arguments).await;
        assert!(!good, "{report:#}");
        for (target, says) in [
            (0, "warehouse 2: W_YTD is"),
            (1, "district 3 of warehouse 1: the sum of O_OL_CNT is"),
            (2, "district 4 of warehouse 1: D_NEXT_O_ID - 1 is"),
        ] {
            let wrong = report["targets"][target]["wrong"].to_string();
            assert!(wrong.contains(says), "{flavour}: {wrong}");
        }
        stage.stop().await;
    }
}
