//! The forwarder that does nothing.

use vitrail_harness::{PASSWORD, USER, flavours, server};

use crate::stage::{Stage, assert_right, bench, towards};

#[tokio::test]
async fn the_floor_is_measured_beside_mysql_as_a_process_of_its_own() {
    for flavour in flavours() {
        let stage = Stage::start(flavour).await;
        let server = server(flavour).await;
        let database = server.database("floor").await;
        let targets =
            [stage.whole(), format!("direct=mysql://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", server.port())];
        // It writes through both, to the same tables: each round adds up by itself.
        let arguments = [
            &["--workload", "write", "--scale", "rows=2000", "--prepare", "--floor"][..],
            &["--clients", "8", "--duration", "1s", "--rounds", "2", "--warmup", "100ms"],
        ];
        let (report, good, told) = bench("run", &[&arguments.concat()[..], &towards(&targets)].concat()).await;
        assert_right(&report, &told);
        assert!(good, "{flavour}: {told}");
        let names: Vec<&str> =
            report["targets"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["whole", "direct", "floor"]);
        let process = &report["targets"][2]["processes"][0];
        assert!(process["name"] == "floor" && process["cpu_per_statement"].as_f64().unwrap() > 0.0, "{process}");
        assert!(process["memory"].as_u64().unwrap() < 100 << 20, "{process}");
        let socket = stage.direct();
        let (_, good, told) = bench("run", &["--workload", "write", "--floor", "--target", &socket]).await;
        assert!(!good && told.contains("direct is reached by a Unix socket"), "{told}");
        stage.stop().await;
    }
}
