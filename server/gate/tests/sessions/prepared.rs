//! PREPARE, EXECUTE and DEALLOCATE as text.

use vitrail_listener::service::Service;
use vitrail_proto::message::SessionState;

use crate::agreeing;
use crate::support::settings;

#[tokio::test]
async fn prepared_statements_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        for shards in [1, 2] {
            let (world, mut session, _) = agreeing(
                flavour,
                way,
                shards,
                &[
                    "PREPARE s FROM 'SELECT name, ? AS given FROM item WHERE id = ?'",
                    "SET @id = 2, @text = 'it''s'",
                    "EXECUTE s USING @id, @id",
                    "PREPARE t FROM 'SELECT name, ? AS given FROM item WHERE id = ?'",
                    "EXECUTE T USING @text, @id",
                    "DEALLOCATE PREPARE t",
                    "EXECUTE s",
                    "EXECUTE s USING @id",
                    "EXECUTE t",
                    "SET @sql = 'UPDATE item SET price = ? WHERE id = 2'",
                    "PREPARE `s` FROM @sql",
                    "SET @price = 7.25",
                    "EXECUTE s USING @price",
                    "SELECT ROW_COUNT()",
                    "SELECT price FROM item WHERE id = 2",
                    "DEALLOCATE PREPARE s",
                    "EXECUTE s USING @price",
                    "DROP PREPARE s",
                    "PREPARE s FROM @nothing",
                    "PREPARE s FROM ''",
                    "PREPARE s FROM 'SELECT 1'",
                    "PREPARE s FROM 'PREPARE t FROM \"SELECT 1\"'",
                    "EXECUTE s",
                    "PREPARE s FROM 'SET @z = 4'",
                    "EXECUTE s",
                    "SELECT @z",
                ],
            )
            .await;
            // Another gate rebuilds the session from what the client was told.
            world.run(&mut session, "PREPARE p FROM 'SELECT id + ? FROM item WHERE id = 1'").await.expect("prepared");
            let (end, _) = world.run(&mut session, "SET @plus = 41").await.expect("set");
            let told = end.state.expect("news");
            assert_eq!(told.user_variables, [("plus".to_owned(), "41".to_owned())]);
            let state = SessionState {
                prepared: vec![("p".into(), "SELECT id + ? FROM item WHERE id = 1".into())],
                last_insert_id: Some(17),
                ..told
            };
            let mut moved = world.gate.open(&world.peer, state).expect("opened");
            world.run(&mut moved, "USE shop").await.expect("a keyspace");
            assert_eq!(world.run(&mut moved, "EXECUTE p USING @plus").await.expect("run").1, ["42"]);
            assert_eq!(world.run(&mut moved, "SELECT LAST_INSERT_ID()").await.expect("run").1, ["17"]);
            world.gate.reset(&mut moved).await.expect("reset");
        }
    }
}
