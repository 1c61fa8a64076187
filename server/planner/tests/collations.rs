//! Texts that MySQL takes for equal must have one keyspace id, or else equality would not find its rows. Asked of real servers, character by
//! character, for every collation under which `unicode_loose_*` pins.

use std::collections::HashMap;

use vitrail_planner::schema::ColumnClass;
use vitrail_planner::vindex::Vindex;
use vitrail_proto::value::Value;

const COLLATIONS: [&str; 6] = [
    "utf8mb4_bin",
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_unicode_520_ci",
    "utf8mb4_0900_ai_ci",
    "utf8mb4_uca1400_ai_ci",
];

#[tokio::test]
async fn equal_texts_have_one_keyspace_id() {
    let mut checked = 0;
    for flavour in vitrail_harness::flavours() {
        let server = vitrail_harness::server(flavour).await;
        let mut connection = server.connect(&server.database("collations").await).await;
        connection
            .execute("CREATE TABLE c (code INT PRIMARY KEY, t VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)")
            .await
            .expect("a table");
        connection.execute("INSERT INTO c VALUES (0, '')").await.expect("the empty text");
        let all: Vec<char> = (0x20..=0xffffu32).filter_map(char::from_u32).collect();
        for piece in all.chunks(4_000) {
            let rows: Vec<String> =
                piece.iter().map(|c| format!("({}, _utf8mb4 x'{}')", u32::from(*c), hex(*c))).collect();
            connection.execute(&format!("INSERT INTO c VALUES {}", rows.join(","))).await.expect("characters");
        }
        let known =
            connection.fetch_all("SELECT collation_name FROM information_schema.collations").await.expect("collations");
        let known: Vec<&str> = known.iter().filter_map(|row| row[0].as_deref()).collect();
        for collation in COLLATIONS {
            // MariaDB lists the newest ones without their character set.
            if !known.contains(&collation) && !known.contains(&collation.trim_start_matches("utf8mb4_")) {
                continue;
            }
            let class = ColumnClass::Text(collation.to_owned());
            let sql = format!("SELECT code, HEX(WEIGHT_STRING(t COLLATE {collation})) FROM c");
            let mut classes: HashMap<String, (char, Vec<u8>)> = HashMap::new();
            let mut faults = Vec::new();
            for row in connection.fetch_all(&sql).await.expect("weights") {
                let code: u32 = row[0].as_deref().expect("a code").parse().expect("a number");
                let text =
                    if code == 0 { String::new() } else { char::from_u32(code).expect("a character").to_string() };
                let Ok(id) = Vindex::UnicodeLooseXxHash.keyspace_id(&Value::Text(text.clone()), Some(&class)) else {
                    continue;
                };
                let weight = row[1].clone().expect("text has a weight");
                let character = text.chars().next().unwrap_or('\0');
                let first = classes.entry(weight).or_insert((character, id.0.clone()));
                checked += 1;
                if first.1 != id.0 {
                    faults.push(format!("{:?} = {character:?}", first.0));
                }
            }
            assert!(faults.is_empty(), "{flavour}, {collation}: {}", faults.join(", "));
        }
    }
    assert!(checked > 10_000, "{checked}");
}

fn hex(character: char) -> String {
    character.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("{byte:02x}")).collect()
}
