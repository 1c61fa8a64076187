//! A short run of the generator: what it makes is answered as by one MySQL, or refused by name.

use vitrail_generator::{Options, run};

const SEED: u64 = 20_261_127;
/// On each flavour.
const STATEMENTS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn generated_statements_are_answered_as_by_one_mysql() {
    let options = Options {
        seed: SEED,
        statements: STATEMENTS,
        flavours: vitrail_harness::flavours(),
        writes: 17,
        allowed: None,
        first: 0,
        faults: 3,
        folder: env!("CARGO_TARGET_TMPDIR").into(),
        progress: false,
    };
    let report = run(&options).await.expect("the worlds can be set");
    assert!(report.is_right(), "{}", report.text());
    for (name, flavour) in &report.flavours {
        let run = flavour.reads + flavour.writes + flavour.controls;
        assert_eq!(run, STATEMENTS, "{name}: every statement was run");
        // A grammar that makes what MySQL refuses, or leaves open, would find nothing.
        let failed: usize = flavour.errors.values().sum();
        assert!(failed < STATEMENTS / 20, "{name}: one MySQL refused {failed}\n{}", report.text());
        assert!(flavour.open.len() < STATEMENTS / 100, "{name}: {} are open\n{}", flavour.open.len(), report.text());
        for (shards, counts) in &flavour.shards {
            assert!(counts.equal > STATEMENTS / 2, "{name} over {shards}: {} were answered", counts.equal);
        }
        let distributed = flavour.shards[&4].tiers.get("distributed").copied().unwrap_or_default();
        assert!(distributed > STATEMENTS / 4, "{name}: {distributed} went to several shards");
    }
}
