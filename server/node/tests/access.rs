//! Who may do what: grants of the configuration, held against statements of every kind, in one process and over remote tablets.
#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

mod support;

use support::{SCHEMA, Shape, Vitrail, everywhere_with};
use vitrail_client::{Client, Code, Error};

/// Two more users beside `app`, who may do everything.
const USERS: &str = r#"
[users.nobody]
grants = []

[users.plain]

[users.analyst]
grants = [{ role = "reader", keyspace = "shop" }]

[users.clerk]
grants = [
  { role = "reader", keyspace = "shop", tables = "country" },
  { role = "writer", keyspace = "shop", tables = "ord*" },
]

[users.owner]
grants = [{ role = "admin", keyspace = "plain" }]
"#;

async fn client(vitrail: &Vitrail, user: &str, keyspace: &str) -> Client {
    let address = vitrail.gate.address().unwrap();
    Client::connect(&format!("vitrail://{user}@{address}/{keyspace}?tls=disable")).await.unwrap()
}

/// The client's own errors have no number.
fn errno<T>(outcome: &Result<T, Error>) -> u16 {
    outcome.as_ref().map_or_else(Error::errno, |_| 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_held_against_grants() {
    everywhere_with(2, USERS, async |vitrail| {
        let root = vitrail.client().await;
        root.execute("INSERT INTO users (id, name, email) VALUES (1, 'a', 'a@b')", ()).await.unwrap();
        root.execute("INSERT INTO country VALUES ('CH', 'Switzerland')", ()).await.unwrap();
        root.execute("INSERT INTO plain.setting VALUES ('a', '1')", ()).await.unwrap();
        // User, statement, MySQL's number for what is missing.
        let cases = [
            ("analyst", "SELECT name FROM users WHERE id = 1", 0),
            ("analyst", "SELECT COUNT(*) FROM users", 0),
            ("analyst", "EXPLAIN FORMAT=VITRAIL SELECT * FROM users", 0),
            ("analyst", "SHOW CREATE TABLE users", 0),
            ("analyst", "SELECT name FROM users WHERE id = 1 FOR UPDATE", 1142),
            ("analyst", "INSERT INTO users (id, name, email) VALUES (2, 'b', 'b')", 1142),
            ("analyst", "UPDATE users SET name = 'x'", 1142),
            ("analyst", "DELETE FROM users", 1142),
            ("analyst", "REPLACE INTO country VALUES ('CH', 'x')", 1142),
            ("analyst", "EXPLAIN FORMAT=VITRAIL DELETE FROM users", 1142),
            ("analyst", "TRUNCATE users", 1142),
            ("analyst", "DROP TABLE users", 1142),
            ("analyst", "CALL p()", 1044),
            ("analyst", "SET GLOBAL max_connections = 1", 1227),
            ("analyst", "SELECT * FROM plain.setting", 1142),
            ("analyst", "SELECT * FROM mysql.user", 1227),
            ("analyst", "USE plain", 1044),
            ("analyst", "SELEC 1", 1064),
            ("clerk", "SELECT * FROM country", 0),
            ("clerk", "INSERT INTO orders (id, user_id, total) VALUES (1, 1, 5)", 0),
            ("clerk", "UPDATE orders SET total = 6 WHERE user_id = 1", 0),
            ("clerk", "SELECT o.id FROM orders o JOIN country c WHERE o.user_id = 1", 0),
            ("clerk", "SELECT o.id FROM orders o JOIN users u ON u.id = o.user_id WHERE u.id = 1", 1142),
            ("clerk", "SELECT 1 FROM orders WHERE user_id = 1 AND EXISTS (SELECT 1 FROM users WHERE id = 1)", 1142),
            ("clerk", "WITH users AS (SELECT * FROM users WHERE id = 1) SELECT * FROM users", 1142),
            ("clerk", "UPDATE country SET name = 'x'", 1142),
            ("clerk", "SHOW COLUMNS FROM users", 1142),
            ("clerk", "SHOW COLUMNS FROM orders WHERE Field IN (SELECT name FROM users)", 1044),
            ("clerk", "DESCRIBE users", 1142),
            ("clerk", "ALTER TABLE orders ADD COLUMN x INT", 1142),
            ("clerk", "TABLE orders", 1044),
            ("clerk", "SET @x = (SELECT MAX(id) FROM users)", 1142),
            ("clerk", "DO (SELECT 1 FROM users)", 1044),
            // A writer everywhere, by default.
            ("plain", "INSERT INTO users (id, name, email) VALUES (3, 'c', 'c@d')", 0),
            ("plain", "SELECT * FROM plain.setting", 0),
            ("plain", "CREATE TABLE country (id INT)", 1142),
            ("nobody", "SELECT 1", 0),
            ("nobody", "SELECT * FROM users", 1142),
        ];
        let mut clients: Vec<(&str, Client)> = Vec::new();
        for user in ["analyst", "clerk", "plain"] {
            clients.push((user, client(&vitrail, user, "shop").await));
        }
        clients.push(("nobody", client(&vitrail, "nobody", "").await));
        for (user, sql, expected) in cases {
            let (_, client) = clients.iter().find(|(name, _)| *name == user).unwrap();
            let mut session = client.session();
            let sql = if user == "nobody" { sql.replace("users", "shop.users") } else { sql.to_owned() };
            let outcome = session.query_all(sql.as_str(), ()).await;
            assert_eq!(errno(&outcome), expected, "{user}: {sql}: {outcome:?}");
            if let Err(error) = outcome
                && expected != 1064
            {
                assert_eq!((error.code(), error.sqlstate()), (&Code::Denied, "42000"), "{user}: {sql}");
                assert!(error.message().contains(&format!("user '{user}'")), "{error}");
            }
            session.close().await.unwrap();
        }
        // Nothing of what was refused was done.
        assert_eq!(root.query_scalar::<i64>("SELECT COUNT(*) FROM users", ()).await.unwrap(), 2);
        assert_eq!(root.query_scalar::<String>("SELECT name FROM users WHERE id = 1", ()).await.unwrap(), "a");
        vitrail.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_may_not_see_is_not_there() {
    everywhere_with(1, USERS, async |vitrail| {
        let (analyst, clerk) = (client(&vitrail, "analyst", "shop").await, client(&vitrail, "clerk", "shop").await);
        let list = async |client: &Client, sql: &str| -> Vec<String> {
            client.query_all(sql, ()).await.unwrap().iter().map(|row| row.get::<String>(0).unwrap()).collect()
        };
        assert_eq!(list(&analyst, "SHOW DATABASES").await, ["shop"]);
        assert_eq!(list(&vitrail.client().await, "SHOW DATABASES").await, ["plain", "shop"]);
        assert_eq!(list(&analyst, "SHOW VITRAIL SHARDS").await, ["shop"]);
        assert_eq!(list(&analyst, "SHOW TABLES").await.len(), SCHEMA.len());
        assert_eq!(list(&clerk, "SHOW TABLES").await, ["country", "orders"]);
        assert_eq!(
            list(&clerk, "SHOW GRANTS").await,
            ["GRANT reader ON shop.country TO 'clerk'", "GRANT writer ON shop.ord* TO 'clerk'"]
        );
        // The same words, whether or not there is such a thing; nor does a hint name what is hidden.
        let refusal = async |sql: String| clerk.query_all(sql.as_str(), ()).await.unwrap_err().message().to_owned();
        for (there, not_there) in
            [("users", "usrs"), ("plain.setting", "plain.nothing"), ("plain.setting", "plane.setting")]
        {
            for sql in
                ["SELECT * FROM #", "DELETE FROM #", "SHOW COLUMNS FROM #", "DROP TABLE #", "EXPLAIN SELECT * FROM #"]
            {
                let (first, second) =
                    (refusal(sql.replace('#', there)).await, refusal(sql.replace('#', not_there)).await);
                let (there, not_there) = (last(there), last(not_there));
                assert_eq!(
                    first.replace("plane", "plain").replace(there, "#"),
                    second.replace("plane", "plain").replace(not_there, "#"),
                    "{sql}"
                );
            }
        }
        // A table of a hidden keyspace is not found by its name alone, as it is by who may see it.
        assert!(vitrail.client().await.query_all("SELECT * FROM setting", ()).await.is_ok());
        let hidden = analyst.query_all("SELECT * FROM setting", ()).await.unwrap_err();
        let nowhere = analyst.query_all("SELECT * FROM settinx", ()).await.unwrap_err();
        assert_eq!((hidden.code(), hidden.errno()), (&Code::NotFound, 1146));
        assert_eq!(hidden.message().replace("setting", "#"), nowhere.message().replace("settinx", "#"));
        for (keyspace, errno) in [("plain", 1044), ("plian", 1044), ("plain:0", 1044)] {
            let mut session = analyst.session();
            let error = session.execute(format!("USE `{keyspace}`"), ()).await.unwrap_err();
            assert_eq!(error.errno(), errno, "{error}");
        }
        let address = vitrail.gate.address().unwrap();
        let elsewhere = Client::connect(&format!("vitrail://analyst@{address}/plain?tls=disable")).await;
        let refused = match elsewhere {
            Ok(client) => client.query_all("SELECT 1", ()).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(errno(&refused), 1044);
        // An administrator of one keyspace.
        let owner = client(&vitrail, "owner", "plain").await;
        owner.execute("CREATE TABLE extra (id INT PRIMARY KEY)", ()).await.unwrap();
        owner.execute("DROP TABLE extra", ()).await.unwrap();
        assert_eq!(errno(&owner.execute("DROP TABLE shop.users", ()).await), 1142);
        assert_eq!(errno(&owner.execute("SET GLOBAL max_connections = 1", ()).await), 1227);
        vitrail.stop().await;
    })
    .await;
}

/// The name behind the dot.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_of_a_keyspace_is_under_its_grants() {
    for flavour in vitrail_harness::flavours() {
        let vitrail = Vitrail::start_with(flavour, 2, Shape::Together, USERS).await;
        let clerk = client(&vitrail, "clerk", "shop").await;
        let mut session = clerk.session();
        session.execute("USE `shop:-80`", ()).await.unwrap();
        assert_eq!(errno(&session.query_all("SELECT * FROM orders", ()).await), 0);
        assert_eq!(errno(&session.query_all("SELECT * FROM users", ()).await), 1142);
        assert_eq!(errno(&session.query_all("TABLE users", ()).await), 1044);
        assert_eq!(errno(&session.query_all("SELECT table_name FROM information_schema.tables", ()).await), 1044);
        // Inside a transaction, a refusal leaves it as it was.
        session.execute("BEGIN", ()).await.unwrap();
        session.execute("INSERT INTO orders (id, user_id, total) VALUES (1, 1, 5)", ()).await.unwrap();
        let refused = session.execute("DELETE FROM users", ()).await.unwrap_err();
        assert!(refused.in_transaction());
        session.execute("COMMIT", ()).await.unwrap();
        assert_eq!(session.query_scalar::<i64>("SELECT COUNT(*) FROM orders", ()).await.unwrap(), 1);
        session.close().await.unwrap();
        vitrail.stop().await;
    }
}
