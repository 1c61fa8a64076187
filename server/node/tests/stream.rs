//! A long stream through client, gate and tablets in one process, whose memory is watched: a binary of its own.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use support::everywhere;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_rows_stream_in_bounded_memory() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        let mut admin = vitrail.databases.server.connect(&vitrail.databases.unsharded).await;
        let values: Vec<String> = (0..1000).map(|n| format!("('k{n}', '{}')", "v".repeat(100))).collect();
        admin.execute(&format!("INSERT INTO setting VALUES {}", values.join(","))).await.unwrap();
        let before = resident();
        let mut most = before;
        let mut rows =
            client.query("SELECT a.name, a.value, b.value FROM plain.setting a, plain.setting b", ()).await.unwrap();
        let mut count = 0u64;
        let mut bytes = 0u64;
        while let Some(row) = rows.next().await.unwrap() {
            bytes += row.raw(1).unwrap().len() as u64 + row.raw(2).unwrap().len() as u64;
            count += 1;
            if count.is_multiple_of(50_000) {
                most = most.max(resident());
            }
        }
        assert_eq!((count, bytes), (1_000_000, 200_000_000));
        assert!(most - before < 64 << 20, "{} MiB for a stream of 200 MB", (most - before) >> 20);
        client.close();
        vitrail.stop().await;
    })
    .await;
}

/// Resident bytes of this process, which holds client, gate and tablets.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
