//! How statements ran, told to the client that asks, in both shapes and on both flavours.

mod support;

use support::everywhere;
use vitrail_client::{Batch, Query, Ran};

/// Of several shards, one is named, and its time is part of the whole.
fn assert_over(ran: &Ran, shards: u32) {
    assert_eq!(ran.shards, shards, "{ran:?}");
    assert!(ran.mysql_us > 0, "{ran:?}");
    match &ran.slowest {
        Some(name) => {
            assert!(shards > 1 && ["-80", "80-"].contains(&name.as_str()), "{ran:?}");
            assert!(ran.slowest_us > 0 && ran.slowest_us <= ran.mysql_us + ran.wait_us, "{ran:?}");
        }
        None => assert!(shards == 1 && ran.slowest_us == 0, "{ran:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_is_told_how_a_statement_ran() {
    everywhere(2, async |vitrail| {
        let client = vitrail.client().await;
        client.execute("INSERT INTO users VALUES (1, 'a', 'a'), (2, 'b', 'b'), (3, 'c', 'c')", ()).await.unwrap();
        let one = "SELECT SLEEP(0.1) FROM users WHERE id = 1";
        assert_eq!(client.execute(one, ()).await.unwrap().ran, None);
        let ran = client.execute(Query::new(one).facts(), ()).await.unwrap().ran.unwrap();
        assert_over(&ran, 1);
        assert!(ran.mysql_us >= 90_000, "{ran:?}");
        for all in ["SELECT name FROM users", "SELECT id FROM users ORDER BY id", "SELECT COUNT(*) FROM users"] {
            assert_over(&client.execute(Query::new(all).facts(), ()).await.unwrap().ran.unwrap(), 2);
        }
        // An implicit transaction over both.
        let update = client.execute(Query::new("UPDATE users SET name = 'x' WHERE id > 0").facts(), ()).await.unwrap();
        assert_over(&update.ran.unwrap(), 2);

        let batch = Batch::new().add(one, ()).add("SELECT COUNT(*) FROM users", ());
        let mut session = client.session();
        let plain = session.batch(batch.clone()).await.unwrap();
        assert!(plain.iter().all(|outcome| outcome.ran.is_none()), "{plain:?}");
        let told = session.batch(batch.facts()).await.unwrap();
        let shards: Vec<u32> = told.iter().map(|outcome| outcome.ran.as_ref().unwrap().shards).collect();
        assert_eq!(shards, [1, 2]);

        session.ask_facts(true);
        let mut transaction = session.begin().await.unwrap();
        let written = transaction.execute("UPDATE users SET name = 'y' WHERE id > 0", ()).await.unwrap();
        assert_over(&written.ran.unwrap(), 2);
        assert_over(&transaction.commit().await.unwrap().ran.unwrap(), 2);
        session.ask_facts(false);
        assert_eq!(session.execute("SELECT name FROM users", ()).await.unwrap().ran, None);
        session.close().await.unwrap();
        client.close();
        vitrail.stop().await;
    })
    .await;
}
