//! SET, SELECT @@x, and what drivers send when they connect.

use std::collections::HashSet;

use vitrail_harness::Flavour;

use crate::support::{Way, settings};
use crate::{agreeing, compare, judge, world};

/// Every session variable of the live server is either settable, to the same effect as on one MySQL, or refused by name.
#[tokio::test]
async fn every_system_variable_is_settable_or_refused_by_name() {
    for (flavour, way) in settings() {
        if way == Way::Remote {
            continue;
        }
        let (world, mut session, mut oracle) = world(flavour, way, 1).await;
        let listed = oracle.fetch_all("SHOW SESSION VARIABLES").await.expect("listed");
        let names: Vec<String> = listed.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        assert!(names.len() > 500, "{}", names.len());
        let mut kept = HashSet::new();
        for name in names {
            let Ok((_, current)) = judge(&mut oracle, &format!("SELECT @@session.`{name}`")).await else {
                // A global variable.
                let error = world.run(&mut session, &format!("SET SESSION {name} = 1")).await.expect_err(&name);
                assert!(error.message.contains(&name), "{name}: {}", error.message);
                continue;
            };
            let value = &current[0];
            let literal = match value.as_str() {
                "NULL" => "NULL".to_owned(),
                number if number.parse::<f64>().is_ok() => number.to_owned(),
                text => format!("'{text}'"),
            };
            let sql = format!("SET SESSION {name} = {literal}");
            match world.run(&mut session, &sql).await {
                Ok(_) => {
                    kept.insert(name.clone());
                    oracle.execute(&sql).await.unwrap_or_else(|error| panic!("only the gate takes {sql}: {error}"));
                    let read = format!("SELECT @@session.`{name}`");
                    let (_, expected) = judge(&mut oracle, &read).await.expect("read");
                    let found =
                        world.run(&mut session, &read).await.unwrap_or_else(|error| panic!("{read}: {error}")).1;
                    assert_eq!(found, expected, "{sql}");
                }
                Err(error) => {
                    assert!(error.message.contains(&name), "{sql}: {}", error.message);
                    assert!(matches!(error.errno, 1193 | 1227 | 1231 | 1235 | 1238 | 1621 | 1229), "{sql}: {error:?}");
                }
            }
        }
        for expected in [
            "sql_mode",
            "time_zone",
            "foreign_key_checks",
            "optimizer_switch",
            "timestamp",
            "lc_time_names",
            "autocommit",
        ] {
            assert!(kept.contains(expected), "{expected} cannot be set");
        }
        assert!(kept.len() > 90, "{flavour:?}: only {}", kept.len());
    }
}

/// Values and expressions of SET, and what answers from them.
#[tokio::test]
async fn settings_are_as_on_one_mysql() {
    for (flavour, way) in settings() {
        let (world, mut session, mut oracle) = agreeing(flavour, way, 1, &[
                "SET timestamp = 1000000000",
                "SET time_zone = '+00:00'",
                "SELECT NOW(), UNIX_TIMESTAMP()",
                "SET timestamp = DEFAULT",
                "SELECT NOW() > '2020-01-01'",
                "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
                "SELECT @@sql_mode LIKE '%ANSI_QUOTES%' AS ansi",
                "SET SESSION sql_mode = DEFAULT, LOCAL div_precision_increment = 2, @@session.group_concat_max_len = 1 + 9",
                "SELECT 1 / 3, GROUP_CONCAT(name ORDER BY id) FROM item",
                "SELECT @@div_precision_increment + 1 AS three, @@session.group_concat_max_len, @@global.div_precision_increment",
                "SET @keep = @@div_precision_increment, div_precision_increment = DEFAULT",
                "SELECT @@div_precision_increment, @keep",
                "SET lc_time_names = 'de_DE'",
                "SELECT DATE_FORMAT('2020-10-05', '%W %M')",
                "SET sql_mode = 'no such mode'",
                "SET div_precision_increment = 'x'",
                "SET lc_time_names = 'xx_YY', time_zone = 'nowhere'",
                "SELECT @@lc_time_names, @@time_zone",
                "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
                "SELECT @@collation_connection, 'a' = 'A', COLLATION('a')",
                "SET NAMES utf8mb4",
                "SELECT @@collation_connection, 'a' = 'A', COLLATION('a')",
                "SET CHARACTER SET utf8mb4",
                "SET autocommit = 0",
                "SELECT @@autocommit + 1 AS a, IF(@@autocommit, 'on', 'off') AS b",
                "SET autocommit = @@global.autocommit",
                "SELECT @@autocommit + 1 AS a",
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SET @nothing = 'uses it up'",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
                "INSERT INTO item (id) VALUES (99)",
                "SET SESSION TRANSACTION READ WRITE",
                "INSERT INTO item (id) VALUES (99)",
            ]).await;
        let physical = if flavour == Flavour::MariaDb { "tx" } else { "transaction" };
        let read = format!("SELECT CONCAT(@@{physical}_isolation) AS level");
        compare(&world, &mut session, &mut oracle, &[&read]).await;
        // What only the gate knows keeps its column's name, wherever it stands.
        let (fields, rows) = world
            .table(
                &mut session,
                "SELECT CONCAT(DATABASE(), '!'), id, CONNECTION_ID() + 0 AS me, USER() FROM item WHERE id = 1",
            )
            .await
            .expect("read");
        assert_eq!(rows, ["shop!|1|7|anna@%"]);
        let names: Vec<&str> = fields.iter().map(|field| field.split(" type ").next().unwrap_or_default()).collect();
        assert_eq!((names[0], names[3]), ("CONCAT(DATABASE(), '!')", "USER()"), "{fields:?}");
        let refused =
            world.run(&mut session, "SET STATEMENT max_statement_time = 1 FOR SELECT 1").await.expect_err("refused");
        assert!(refused.message.contains("SET STATEMENT"), "{}", refused.message);
    }
}

/// What drivers and tools send when they connect.
#[tokio::test]
async fn what_drivers_send_at_connect_works() {
    for (flavour, way) in settings() {
        let (world, mut session, _) = world(flavour, way, 2).await;
        let isolation = if flavour == Flavour::MariaDb { "tx_isolation" } else { "transaction_isolation" };
        for sql in [
            // Connector/J
            "/* mysql-connector-j-8.4.0 */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@wait_timeout AS wait_timeout",
            "SET character_set_results = utf8mb4",
            "SET sql_mode='STRICT_TRANS_TABLES'",
            "SET autocommit=1",
            "SET SESSION TRANSACTION READ WRITE",
            // mysql-connector-python
            "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'",
            "SET @@session.autocommit = OFF",
            "SELECT DATABASE()",
            "SET @@session.autocommit = ON",
            // PDO, mysqlnd
            "SET NAMES utf8mb4",
            "SET SESSION sql_mode = 'TRADITIONAL'",
            // Rails
            "SET NAMES utf8mb4,  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),  @@SESSION.wait_timeout = 2147483",
            "SET  @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483, @@SESSION.sql_mode = 'STRICT_ALL_TABLES'",
            // Django
            "SET SQL_AUTO_IS_NULL = 0",
            "SELECT VERSION(), @@sql_mode, @@default_storage_engine, @@sql_auto_is_null, @@lower_case_table_names, CONVERT_TZ('2001-01-01 01:00:00', 'UTC', 'UTC') IS NOT NULL",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            // Sequelize, SQLAlchemy
            "SET time_zone = '+00:00'",
            "SELECT @@version_comment LIMIT 1",
            "ROLLBACK",
            // sqlx
            "SET sql_mode=(SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')),time_zone='+00:00',NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
            // go-sql-driver
            "SELECT @@max_allowed_packet",
            "SET innodb_lock_wait_timeout = 5, foreign_key_checks = OFF, unique_checks=0",
            // mysqldump
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */",
            "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */",
            "/*!40103 SET TIME_ZONE='+00:00' */",
            "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
            "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
            "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
            "/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */",
            "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */",
            "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */",
            "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */",
            "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */",
            "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */",
            &format!("SELECT @@session.{isolation}"),
        ] {
            world.run(&mut session, sql).await.unwrap_or_else(|error| panic!("{flavour:?}: {sql}: {error}"));
        }
        assert_eq!(world.run(&mut session, "SELECT COUNT(*) FROM item").await.expect("it still works").1, ["5"]);
    }
}
