//! Classes of equal texts under a collation: asked of one MySQL, never guessed.

use std::collections::HashMap;

use anyhow::{Context, Result};
use vitrail_mysql::Connection;

/// Texts of one question.
const MOST: usize = 2000;

/// The class of each text, as a number. `texts` are UTF-8.
///
/// # Errors
///
/// More texts than one question takes, and a collation that this server does not have.
pub async fn of(connection: &mut Connection, collation: &str, texts: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, u64>> {
    anyhow::ensure!(
        texts.len() <= MOST,
        "a case has {} texts in its classes, at most {MOST} are asked for",
        texts.len()
    );
    if texts.is_empty() {
        return Ok(HashMap::new());
    }
    let charset = collation.split('_').next().unwrap_or(collation);
    let one = |(number, text): (usize, &Vec<u8>)| {
        let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SELECT {number} AS n, CONVERT(_utf8mb4 X'{hex}' USING {charset}) COLLATE {collation} AS v")
    };
    let all: Vec<String> = texts.iter().enumerate().map(one).collect();
    let sql = format!("SELECT n, DENSE_RANK() OVER (ORDER BY v) FROM ({}) t", all.join(" UNION ALL "));
    let rows = connection.fetch_all(&sql).await.with_context(|| format!("classes of {collation}"))?;
    let number = |cell: &Option<String>| -> Result<u64> {
        cell.as_deref().context("a number")?.parse().context("ranks are numbers")
    };
    rows.iter()
        .map(|row| {
            let [at, class] = row.as_slice() else { anyhow::bail!("two columns were asked for") };
            Ok((texts[number(at)? as usize].clone(), number(class)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_server_says_which_texts_are_equal() {
        for flavour in vitrail_harness::flavours() {
            let mut connection = vitrail_harness::server(flavour).await.admin().await;
            let texts: Vec<Vec<u8>> = ["a", "A", "á", "a ", "b", ""].map(|text| text.as_bytes().to_vec()).into();
            let equal = |classes: &HashMap<Vec<u8>, u64>, left: &str, right: &str| {
                classes[left.as_bytes()] == classes[right.as_bytes()]
            };
            let loose = of(&mut connection, "utf8mb4_general_ci", &texts).await.unwrap();
            assert!(equal(&loose, "a", "A") && equal(&loose, "a", "á") && equal(&loose, "a", "a "));
            assert!(!equal(&loose, "a", "b") && !equal(&loose, "a", ""));
            let strict = of(&mut connection, "latin1_bin", &texts).await.unwrap();
            assert!(!equal(&strict, "a", "A") && !equal(&strict, "a", "á") && equal(&strict, "a", "a "));
        }
    }
}
