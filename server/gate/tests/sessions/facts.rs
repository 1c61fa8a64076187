//! LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT() and warnings.

use vitrail_proto::error::Code;

use crate::support::settings;
use crate::{agreeing, compare_everywhere};

/// `LAST_INSERT_ID()` anywhere, `LAST_INSERT_ID(expr)`, `ROW_COUNT()` and `FOUND_ROWS()`.
#[tokio::test]
async fn facts_of_the_last_statement_are_as_on_one_mysql() {
    compare_everywhere(
        [1],
        &[
            "SELECT LAST_INSERT_ID()",
            "INSERT INTO counter (name) VALUES ('a'), ('b')",
            "SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity",
            "INSERT INTO counter (name, parent) VALUES ('child', LAST_INSERT_ID())",
            "SELECT * FROM counter WHERE id = LAST_INSERT_ID()",
            "SELECT id, LAST_INSERT_ID() AS last, LAST_INSERT_ID() - 1 FROM counter ORDER BY id",
            "INSERT INTO counter (id, name) VALUES (50, 'explicit')",
            "SELECT LAST_INSERT_ID()",
            "INSERT INTO counter VALUES (60, 'explicit', 0)",
            "SELECT LAST_INSERT_ID()",
            "INSERT INTO counter VALUES (NULL, 'generated', 0)",
            "SELECT LAST_INSERT_ID()",
            "UPDATE counter SET parent = LAST_INSERT_ID(parent + 100) WHERE id = 3",
            "SELECT LAST_INSERT_ID()",
            "SELECT LAST_INSERT_ID(77)",
            "SELECT LAST_INSERT_ID()",
            "SET last_insert_id = 5",
            "SELECT LAST_INSERT_ID()",
            "SET @id = LAST_INSERT_ID(), @twice = LAST_INSERT_ID() * 2",
            "SELECT @id, @twice",
            "UPDATE item SET price = price + 1 WHERE id < 3",
            "SELECT ROW_COUNT()",
            "SELECT ROW_COUNT()",
            "DELETE FROM item WHERE id = -1",
            "SET @n = ROW_COUNT() + 3",
            "SELECT @n, ROW_COUNT()",
            "SELECT ROW_COUNT() + 0, 1",
            "INSERT INTO item (id) VALUES (1)",
            "SELECT ROW_COUNT()",
            "BEGIN",
            "SELECT ROW_COUNT()",
            "COMMIT",
            "SELECT id FROM item ORDER BY id LIMIT 2",
            "SELECT FOUND_ROWS()",
            "SELECT FOUND_ROWS()",
            "SELECT id FROM item WHERE id = -1",
            "SELECT FOUND_ROWS(), FOUND_ROWS() + 1 AS more",
            "SELECT SQL_CALC_FOUND_ROWS id FROM item ORDER BY id LIMIT 2",
            "SELECT FOUND_ROWS() AS total",
            "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id > 1 ORDER BY id LIMIT 1, 1",
            "SET @total = FOUND_ROWS()",
            "SELECT @total",
            "SELECT id FROM item WHERE id = 2 INTO @x",
            "SELECT ROW_COUNT(), FOUND_ROWS()",
            "SELECT ROW_COUNT(), id FROM item WHERE id = 1",
        ],
    )
    .await;
}

/// Over shards: `LAST_INSERT_ID()` leads to the shard, rows that are counted are added up, and what cannot be is refused.
#[tokio::test]
async fn facts_of_the_last_statement_work_over_shards() {
    for (flavour, way) in settings() {
        let (world, mut session, _) = agreeing(
            flavour,
            way,
            2,
            &[
                "SET last_insert_id = 3",
                "SELECT name FROM item WHERE id = LAST_INSERT_ID()",
                "SET @id = LAST_INSERT_ID() + 3",
                "INSERT INTO item (id, name) VALUES (@id, 'six')",
                "SET last_insert_id = 7",
                "INSERT INTO item (id, name) VALUES (LAST_INSERT_ID(), 'seven'), (8, LAST_INSERT_ID())",
                "SET last_insert_id = 3",
                "UPDATE item SET name = CONCAT(name, LAST_INSERT_ID()) WHERE id = LAST_INSERT_ID()",
                "SELECT id, name, LAST_INSERT_ID() FROM item ORDER BY id",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item ORDER BY id LIMIT 2",
                "SELECT FOUND_ROWS()",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id > 1 ORDER BY id LIMIT 1",
                "SELECT FOUND_ROWS()",
                "SELECT SQL_CALC_FOUND_ROWS id FROM item WHERE id = 1 LIMIT 5",
                "SELECT FOUND_ROWS()",
                "SELECT id FROM item ORDER BY id LIMIT 3",
                "SELECT FOUND_ROWS()",
                "UPDATE item SET price = 1",
                "SELECT ROW_COUNT()",
                "SET sql_select_limit = 2",
                "SELECT id FROM item ORDER BY id",
                "SELECT id FROM item ORDER BY id LIMIT 3",
                "SELECT COUNT(*) FROM item",
                "SET sql_select_limit = DEFAULT",
                "SELECT id FROM item ORDER BY id",
            ],
        )
        .await;
        for refused in ["UPDATE item SET price = LAST_INSERT_ID(id)", "SELECT SQL_CALC_FOUND_ROWS COUNT(*) FROM item"] {
            assert_eq!(world.run(&mut session, refused).await.expect_err(refused).code, Code::Unsupported, "{refused}");
        }
    }
}

/// The texts of warnings and errors, without asking for them beforehand.
#[tokio::test]
async fn warnings_are_shown_after_any_statement() {
    for (flavour, way) in settings() {
        let (world, mut session, _) = agreeing(
            flavour,
            way,
            1,
            &[
                "SHOW WARNINGS",
                "SELECT 1 / 0, CAST('x' AS SIGNED)",
                "SHOW WARNINGS",
                "SHOW WARNINGS LIMIT 1, 1",
                "SHOW ERRORS",
                "SHOW COUNT(*) WARNINGS",
                "SELECT @@warning_count, @@error_count",
                "SELECT 1",
                "SHOW COUNT(*) WARNINGS",
                "INSERT IGNORE INTO item (id) VALUES (1), (1)",
                "SHOW WARNINGS",
                "SHOW COUNT(*) ERRORS",
                "UPDATE item SET name = 'x'",
                "SHOW WARNINGS",
                "SELECT CAST('y' AS SIGNED)",
                "SELECT @@warning_count",
            ],
        )
        .await;
        let failed = world.run(&mut session, "INSERT INTO item (id) VALUES (1)").await.expect_err("a duplicate");
        let shown = world.run(&mut session, "SHOW WARNINGS").await.expect("shown").1;
        assert_eq!(shown, [format!("Error|1062|{}", failed.message)]);
        assert_eq!(world.run(&mut session, "SHOW ERRORS").await.expect("shown").1.len(), 1);
        assert_eq!(world.run(&mut session, "SELECT @@error_count").await.expect("read").1, ["1"]);
        let refused = world.run(&mut session, "GET DIAGNOSTICS @n = NUMBER").await.expect_err("refused");
        assert!(
            refused.code == Code::Unsupported && refused.message.contains("GET DIAGNOSTICS"),
            "{}",
            refused.message
        );
    }
}
