//! Connections against real servers: results, sizes, states, session tracking.

use std::sync::Arc;

use vitrail_harness::{Server, flavours, server};
use vitrail_mysql::{Change, Connection, Error, Flavour, Response, RowsOrEnd};
use vitrail_proto::error::Code;

/// Runs a test on every flavour.
macro_rules! on_every_flavour {
    ($server:ident, $database:ident, $name:ident, $body:block) => {
        #[tokio::test]
        async fn $name() {
            for flavour in flavours() {
                let $server: Arc<Server> = server(flavour).await;
                let $database = $server.database(stringify!($name)).await;
                $body
            }
        }
    };
}

/// Rows of a packed batch, each its payload.
fn unpack(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut rows = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let (row, rest) = rest.split_at(u32::from_le_bytes(*head) as usize);
        rows.push(row);
        bytes = rest;
    }
    rows
}

/// All row payloads of the result that begins next.
async fn rows(connection: &mut Connection, max_bytes: usize) -> (Vec<Vec<u8>>, vitrail_mysql::End) {
    let mut all = Vec::new();
    loop {
        match connection.next_rows(max_bytes).await.expect("the rest of the rows") {
            RowsOrEnd::Rows(batch) => {
                let batch_rows = unpack(&batch.bytes);
                assert_eq!(batch_rows.len(), batch.count as usize);
                all.extend(batch_rows.into_iter().map(<[u8]>::to_vec));
            }
            RowsOrEnd::End(end) => return (all, end),
        }
    }
}

on_every_flavour!(server, database, several_statements_go_out_at_once, {
    for old_eof in [false, true] {
        let mut options = server.connect_options(&database);
        options.old_eof = old_eof;
        let mut connection = Connection::connect(&options).await.unwrap();
        let long = format!("SELECT REPEAT('x', 300000) UNION ALL SELECT '{}'", "y".repeat(9000));
        let others = ["SELECT nothing", "DO 1", &long, "SELECT 'z' WHERE FALSE", "SELECT 5"];
        let others: Vec<bytes::Bytes> = others.iter().map(|sql| sql.as_bytes().to_vec().into()).collect();
        connection.send_with(b"SELECT 1 UNION ALL SELECT 2", &others).await.unwrap();
        assert!(!connection.next_statement(), "the first one is not answered yet");
        let Response::Columns(_) = connection.response().await.unwrap() else { panic!("it has columns") };
        assert!(!connection.next_statement(), "it has rows");
        assert_eq!(rows(&mut connection, 1 << 20).await.0, [b"\x011", b"\x012"]);
        assert!(connection.has_ended() && connection.is_followed() && !connection.is_clean());
        assert!(matches!(connection.query(b"SELECT 7").await, Err(Error::NotReady(_))));
        assert!(connection.next_statement());
        assert_eq!(connection.response().await.unwrap_err().server().unwrap().errno, 1054);
        assert!(connection.next_statement(), "a failure is that of one statement");
        assert!(matches!(connection.response().await.unwrap(), Response::Ok(_)));
        assert!(connection.next_statement());
        let Response::Columns(_) = connection.response().await.unwrap() else { panic!("it has columns") };
        let long: Vec<usize> = rows(&mut connection, 1 << 20).await.0.iter().map(Vec::len).collect();
        assert_eq!(long, [300_004, 9_003]);
        assert!(connection.next_statement());
        let Response::Columns(_) = connection.response().await.unwrap() else { panic!("it has columns") };
        assert!(rows(&mut connection, 1 << 20).await.0.is_empty());
        connection.drain_all().await.unwrap();
        assert!(connection.is_clean() && !connection.next_statement());
        assert_eq!(connection.fetch_cell("SELECT 8").await.unwrap().as_deref(), Some("8"));
    }
});

on_every_flavour!(server, database, rows_come_as_the_server_wrote_them, {
    for old_eof in [false, true] {
        let mut options = server.connect_options(&database);
        options.old_eof = old_eof;
        let mut connection = Connection::connect(&options).await.unwrap();
        let response =
            connection.query(b"SELECT 1 AS one, NULL AS none, 'caf\xc3\xa9' AS word UNION ALL SELECT 2, 3, ''").await;
        let Response::Columns(columns) = response.unwrap() else { panic!("a SELECT has columns") };
        assert_eq!(columns.count, 3);
        let definitions = unpack(&columns.packed);
        assert_eq!(definitions.len(), 3);
        assert!(definitions[2].windows(4).any(|window| window == b"word"));
        let (rows, end) = rows(&mut connection, 32 << 10).await;
        assert_eq!(rows, [b"\x011\xfb\x05caf\xc3\xa9".to_vec(), b"\x012\x013\x00".to_vec()]);
        assert_eq!((end.warnings, end.status.more_results()), (0, false));
        assert!(connection.is_clean() && connection.status().autocommit());
        connection.quit().await;
    }
});

on_every_flavour!(server, database, changes_are_counted, {
    let mut connection = server.connect(&database).await;
    connection.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB").await.unwrap();
    let end = connection.execute("INSERT INTO t (v) VALUES (1), (2), (2)").await.unwrap();
    assert_eq!((end.affected, end.insert_id), (3, 1));
    let end = connection.execute("UPDATE t SET v = 2").await.unwrap();
    assert_eq!((end.affected, end.matched()), (1, Some(3)), "{end:?}");
    connection.execute("BEGIN").await.unwrap();
    assert!(connection.status().in_transaction());
    connection.execute("ROLLBACK").await.unwrap();
    assert!(!connection.status().in_transaction());
    let end = connection.execute("SELECT CAST('x' AS SIGNED)").await.unwrap();
    assert_eq!(end.warnings, 1);
});

on_every_flavour!(server, database, many_rows_come_in_bounded_batches, {
    let mut connection = server.connect(&database).await;
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
               SELECT i, REPEAT('x', i % 100) FROM n ORDER BY i";
    let raise = match server.flavour() {
        Flavour::MariaDb => "SET max_recursive_iterations = 100000",
        Flavour::MySql => "SET cte_max_recursion_depth = 100000",
    };
    connection.execute(raise).await.unwrap();
    connection.query(sql.as_bytes()).await.unwrap();
    let (mut count, mut batches, mut largest) = (0, 0, 0);
    while let RowsOrEnd::Rows(batch) = connection.next_rows(32 << 10).await.unwrap() {
        for row in unpack(&batch.bytes) {
            count += 1;
            let digits = count.to_string();
            assert_eq!(&row[1..=digits.len()], digits.as_bytes());
            assert_eq!(row.len(), 1 + digits.len() + 1 + count % 100);
        }
        batches += 1;
        largest = largest.max(batch.bytes.len());
    }
    assert_eq!(count, 50_000);
    assert!(largest <= (32 << 10) + 256, "{largest}");
    assert!(batches >= 80, "{batches}");
    assert!(connection.is_clean());
});

on_every_flavour!(server, database, rows_above_a_packet_are_joined, {
    // Around the size at which MySQL splits a row: payload 2^24 - 1, and multiples of it.
    const FULL: usize = (1 << 24) - 1;
    let mut connection = server.connect(&database).await;
    for length in
        [FULL - 9, FULL - 8, FULL - 7, 20 << 20, 2 * FULL - 14, 2 * FULL - 13, 2 * FULL - 12, 64 << 20, 70_000, 65_530]
    {
        let sql =
            format!("SELECT 'before', '' UNION ALL SELECT 'row', REPEAT('y', {length}) UNION ALL SELECT 'after', ''");
        connection.query(sql.as_bytes()).await.unwrap();
        let (rows, _) = rows(&mut connection, 32 << 10).await;
        assert_eq!(rows.len(), 3);
        assert_eq!((&rows[0][..], &rows[2][..]), (&b"\x06before\x00"[..], &b"\x05after\x00"[..]));
        assert!(rows[1].starts_with(b"\x03row"));
        let cell = &rows[1][rows[1].len() - length..];
        assert!(cell.iter().all(|&byte| byte == b'y'), "{length}");
        let prefix = match length {
            0..=0xffff => 3,
            0x1_0000..=0xff_ffff => 4,
            _ => 9,
        };
        assert_eq!(rows[1].len(), 4 + prefix + length);
        assert!(connection.is_clean());
    }
});

on_every_flavour!(server, database, statements_above_a_packet_are_split, {
    let mut connection = server.connect(&database).await;
    for length in [(1 << 24) - 20, (1 << 24) - 17, (1 << 24) - 16, (1 << 24) - 15, 20 << 20, 70_000] {
        let sql = format!("SELECT LENGTH('{}')", "z".repeat(length));
        assert_eq!(connection.fetch_cell(&sql).await.unwrap(), Some(length.to_string()));
    }
});

on_every_flavour!(server, database, sizes_are_bounded_on_both_ways, {
    let mut options = server.connect_options(&database);
    options.max_packet = 1 << 20;
    for length in [2 << 20, 20 << 20] {
        let mut connection = Connection::connect(&options).await.unwrap();
        connection.query(format!("SELECT REPEAT('x', {length})").as_bytes()).await.unwrap();
        let error = connection.next_rows(32 << 10).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { what: "row", limit: 1_048_576, .. }), "{error}");
        assert!(connection.is_broken());
    }
    let mut admin = server.admin().await;
    let limit = admin.fetch_cell("SELECT @@GLOBAL.max_allowed_packet").await.unwrap().unwrap();
    let mut connection = server.connect(&database).await;
    assert_eq!(connection.max_allowed_packet().to_string(), limit);
    let huge = vec![b' '; connection.max_allowed_packet() as usize];
    let error = connection.query(&huge).await.unwrap_err();
    assert_eq!(error.code(), Code::TooLarge, "{error}");
    assert!(connection.is_clean(), "nothing was sent");
    connection.ping().await.unwrap();
});

on_every_flavour!(server, database, calls_give_several_results, {
    let mut connection = server.connect(&database).await;
    connection.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2, 3; DO 0; END").await.unwrap();
    let Response::Columns(columns) = connection.query(b"CALL p()").await.unwrap() else { panic!("columns first") };
    assert_eq!(columns.count, 1);
    let (first, end) = rows(&mut connection, 32 << 10).await;
    assert_eq!(first, [b"\x011"]);
    assert!(end.status.more_results() && !connection.is_clean());
    let Response::Columns(columns) = connection.response().await.unwrap() else { panic!("columns again") };
    assert_eq!(columns.count, 2);
    let (second, _) = rows(&mut connection, 32 << 10).await;
    assert_eq!(second, [b"\x012\x013"]);
    let Response::Ok(end) = connection.response().await.unwrap() else { panic!("the call's own end") };
    assert!(!end.status.more_results() && connection.is_clean());
    // Half-read, and then drained.
    connection.query(b"CALL p()").await.unwrap();
    assert!(matches!(connection.ping().await, Err(Error::NotReady(_))));
    connection.drain().await.unwrap();
    assert!(connection.is_clean());
    assert_eq!(connection.fetch_cell("SELECT 7").await.unwrap().as_deref(), Some("7"));
});

on_every_flavour!(server, database, errors_are_typed_and_leave_the_connection, {
    let mut connection = server.connect(&database).await;
    connection.execute("CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    connection.execute("INSERT INTO t VALUES (1)").await.unwrap();
    let table = [
        ("SELEC 1", 1064, "42000", Code::Invalid),
        ("SELECT * FROM missing", 1146, "42S02", Code::NotFound),
        ("SELECT missing FROM t", 1054, "42S22", Code::NotFound),
        ("INSERT INTO t VALUES (1)", 1062, "23000", Code::Constraint),
        ("SELECT 1; SELECT 2", 1064, "42000", Code::Invalid),
        ("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t", 0, "", Code::Invalid),
    ];
    for (sql, errno, sqlstate, code) in table {
        let error = connection.execute(sql).await.unwrap_err();
        let server_error = error.server().unwrap_or_else(|| panic!("{sql}: {error}"));
        if errno != 0 {
            assert_eq!((server_error.errno, server_error.sqlstate.as_str()), (errno, sqlstate), "{sql}");
            assert_eq!(error.code(), code, "{sql}");
        }
        assert!(connection.is_clean(), "{sql}");
    }
    assert_eq!(connection.fetch_cell("SELECT COUNT(*) FROM t").await.unwrap().as_deref(), Some("1"));
});

on_every_flavour!(server, database, an_error_after_rows_ends_them, {
    let mut connection = server.connect(&database).await;
    connection.execute("CREATE TABLE t (v VARCHAR(20))").await.unwrap();
    connection.execute("INSERT INTO t VALUES ('1'), ('2')").await.unwrap();
    // The second row fails while it is computed: a subquery with more than one row.
    connection.query(b"SELECT v, (SELECT 1 FROM t AS u WHERE t.v = '2') FROM t").await.unwrap();
    let mut seen = 0;
    let error = loop {
        match connection.next_rows(1).await {
            Ok(RowsOrEnd::Rows(batch)) => seen += batch.count,
            Ok(RowsOrEnd::End(end)) => panic!("ended well: {end:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.server().unwrap().errno, seen), (1242, 1));
    assert!(connection.is_clean());
});

on_every_flavour!(server, database, a_reset_session_is_as_new, {
    let mut connection = server.connect(&database).await;
    let id = connection.thread_id();
    let fresh = "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@collation_connection, DATABASE(), @x, CONNECTION_ID()";
    let before = connection.fetch_row(fresh).await.unwrap();
    for sql in [
        "SET @x = 1, sql_mode = 'ANSI', time_zone = '+03:00'",
        "SET NAMES latin1",
        "CREATE TEMPORARY TABLE tt (i INT)",
        "USE mysql",
        "BEGIN",
    ] {
        connection.execute(sql).await.unwrap();
    }
    assert_ne!(connection.fetch_row(fresh).await.unwrap(), before);
    connection.reset().await.unwrap();
    assert_eq!(connection.fetch_row(fresh).await.unwrap(), before);
    assert!(!connection.status().in_transaction());
    assert_eq!(connection.thread_id(), id);
    assert_eq!(connection.execute("SELECT * FROM tt").await.unwrap_err().code(), Code::NotFound);
});

on_every_flavour!(server, database, changes_of_the_session_are_tracked, {
    let mut connection = server.connect(&database).await;
    connection.execute("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB").await.unwrap();
    let end = connection.execute("USE mysql").await.unwrap();
    assert!(end.changes.contains(&Change::Schema("mysql".into())), "{end:?}");
    let end = connection.execute("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'").await.unwrap();
    let tracked = end.changes.iter().any(|change| matches!(change, Change::Variable { name, value } if name == "sql_mode" && value.contains("ANSI_QUOTES")));
    assert!(tracked, "{end:?}");
    assert!(connection.status().no_backslash_escapes());
    let end = connection.execute("SET @some_variable = 1").await.unwrap();
    assert!(end.changes.contains(&Change::State), "{end:?}");

    // The GTID of a write arrives with the write, or with its commit.
    let insert = format!("INSERT INTO {database}.t VALUES (1)");
    let gtids = connection.execute(&insert).await.unwrap().gtids().map(str::to_owned).expect("a write has a GTID");
    connection.execute("BEGIN").await.unwrap();
    let end = connection.execute(&format!("INSERT INTO {database}.t VALUES (2)")).await.unwrap();
    assert_eq!(end.gtids(), None, "not committed yet");
    let second = connection.execute("COMMIT").await.unwrap().gtids().map(str::to_owned).expect("a commit has a GTID");
    assert_ne!(gtids, second);
    // MariaDB waits for what it applies as a replica, which this server is not.
    if server.flavour() == Flavour::MySql {
        let mut other = server.connect(&database).await;
        let wait = other.flavour().wait_for_gtids(&second, 5.0).unwrap();
        let cell = other.fetch_cell(&wait).await.unwrap();
        assert!(other.flavour().waited(cell.as_deref()), "{cell:?}");
    }
    // A reset keeps tracking.
    connection.reset().await.unwrap();
    let end = connection.execute(&format!("INSERT INTO {database}.t VALUES (3)")).await.unwrap();
    assert!(end.gtids().is_some(), "{end:?}");
});

on_every_flavour!(server, database, statements_of_the_flavour_module_run, {
    let mut connection = server.connect(&database).await;
    let (flavour, version) = (connection.flavour(), connection.version());
    assert_eq!(flavour, server.flavour());
    for sql in [
        flavour.show_replica_status(version).to_owned(),
        flavour.show_binlog_status(version).to_owned(),
        flavour.executed_gtids().to_owned(),
        format!("SELECT @@{}", flavour.isolation_variable(version)),
        format!("SELECT @@{}", flavour.read_only_variable(version)),
    ] {
        connection.execute(&sql).await.unwrap_or_else(|error| panic!("{flavour}: {sql}: {error}"));
    }
    connection.execute(&flavour.set_max_execution_time(100)).await.unwrap();
    let slow =
        "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c";
    let error = connection.execute(slow).await.unwrap_err();
    assert_eq!(error.server().unwrap().errno, flavour.timed_out_errno(), "{error}");
    assert_eq!(error.code(), Code::Deadline);
});

on_every_flavour!(server, database, variables_of_the_options_survive_a_reset, {
    let options =
        server.connect_options(&database).with_variable("sql_mode", "'ANSI'").with_variable("lock_wait_timeout", "7");
    let mut connection = Connection::connect(&options).await.unwrap();
    connection.execute("SET lock_wait_timeout = 9").await.unwrap();
    connection.reset().await.unwrap();
    let row = connection.fetch_row("SELECT @@lock_wait_timeout, @@sql_mode LIKE '%ANSI%'").await.unwrap();
    assert_eq!(row, [Some("7".to_owned()), Some("1".to_owned())]);
});

on_every_flavour!(server, database, a_reader_may_be_dropped_and_goes_on, {
    use std::future::{Future, poll_fn};
    use std::task::Poll;
    let mut connection = server.connect(&database).await;
    connection.send(b"SELECT REPEAT('x', 3000000) UNION ALL SELECT SLEEP(0.01) UNION ALL SELECT 'last'").await.unwrap();
    // Polls each future once and drops it, until one is ready: nothing may get lost on the way.
    async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
    let mut dropped = 0;
    while once(connection.response()).await.is_none_or(|response| matches!(response.unwrap(), Response::Ok(_))) {
        dropped += 1;
        tokio::task::yield_now().await;
    }
    let mut rows = Vec::new();
    loop {
        match once(connection.next_rows(1000)).await.transpose().unwrap() {
            None => {
                dropped += 1;
                tokio::task::yield_now().await;
            }
            Some(RowsOrEnd::Rows(batch)) => rows.extend(unpack(&batch.bytes).into_iter().map(<[u8]>::len)),
            Some(RowsOrEnd::End(_)) => break,
        }
    }
    assert_eq!(rows, [3_000_004, 2, 5]);
    assert!(dropped > 0);
    assert!(connection.is_clean());
});

on_every_flavour!(server, database, a_sender_that_is_dropped_breaks_the_connection, {
    let mut connection = server.connect(&database).await;
    {
        // Larger than any socket buffer: the first poll cannot send it all.
        let sql = format!("SELECT LENGTH('{}')", "z".repeat(32 << 20));
        let mut query = std::pin::pin!(connection.query(sql.as_bytes()));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(query.as_mut().poll(cx).is_ready())).await;
        assert!(!first);
    }
    assert!(connection.is_broken() && !connection.is_clean());
    assert!(matches!(connection.query(b"SELECT 1").await, Err(Error::NotReady(_))));
});
