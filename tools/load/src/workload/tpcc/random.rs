//! What the TPC-C specification draws at random (clauses 2.1.6, 4.3.2 and 4.3.3).

use rand::Rng;
use rand::rngs::SmallRng;

use crate::value::letters;

/// The constant C of the customers' numbers.
const C_CUSTOMER: i64 = 259;
/// The constant C of the items' numbers.
const C_ITEM: i64 = 7_911;
/// The constant C of last names that are loaded.
pub(super) const C_LAST_LOADED: i64 = 157;
/// The constant C of last names that are asked for. Its distance to the one of the load is from 65 to 119, and neither 96 nor 112 (2.1.6.1).
pub(super) const C_LAST_ASKED: i64 = 87;

const SYLLABLES: [&str; 10] = ["BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"];

/// The non-uniform random number NURand(A, x, y) with the constant C (2.1.6).
pub(super) fn nurand(a: i64, x: i64, y: i64, c: i64, dice: &mut SmallRng) -> i64 {
    let (high, low) = (dice.random_range(0..=a), dice.random_range(x..=y));
    mixed(high, low, x, y, c)
}

fn mixed(high: i64, low: i64, x: i64, y: i64, c: i64) -> i64 {
    ((high | low) + c) % (y - x + 1) + x
}

/// A customer's number, from 1 to `customers`.
pub(super) fn customer(customers: i64, dice: &mut SmallRng) -> i64 {
    nurand(1_023, 1, customers, C_CUSTOMER, dice)
}

/// An item's number, from 1 to `items`.
pub(super) fn item(items: i64, dice: &mut SmallRng) -> i64 {
    nurand(8_191, 1, items, C_ITEM, dice)
}

/// The number of a last name, of those that a district of so many customers is sure to have.
pub(super) fn name_number(customers: i64, c: i64, dice: &mut SmallRng) -> i64 {
    nurand(255, 0, customers.min(1_000) - 1, c, dice)
}

/// The last name of a number from 0 to 999: a syllable for each digit (4.3.2.3).
pub(super) fn last_name(number: i64) -> String {
    [number / 100, number / 10, number].map(|digit| SYLLABLES[(digit % 10) as usize]).concat()
}

/// Letters, from `least` to `most` of them.
pub(super) fn text(least: usize, most: usize, dice: &mut SmallRng) -> String {
    let length = dice.random_range(least..=most);
    letters(dice.random(), length)
}

/// The same for a tenth of the rows with ORIGINAL somewhere inside (4.3.3.1).
pub(super) fn data(dice: &mut SmallRng) -> String {
    let mut text = text(26, 50, dice);
    if dice.random_range(0..10) == 0 {
        let at = dice.random_range(0..=text.len() - 8);
        text.replace_range(at..at + 8, "ORIGINAL");
    }
    text
}

/// So many digits.
pub(super) fn digits(count: usize, dice: &mut SmallRng) -> String {
    (0..count).map(|_| char::from(b'0' + dice.random_range(0..10_u8))).collect()
}

/// Four digits, and 11111 (4.3.2.7).
pub(super) fn zip(dice: &mut SmallRng) -> String {
    digits(4, dice) + "11111"
}

/// The numbers from 1 to `count` in any order (4.3.3.1, for O_C_ID).
pub(super) fn permutation(count: i64, dice: &mut SmallRng) -> Vec<i64> {
    let mut numbers: Vec<i64> = (1..=count).collect();
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, dice.random_range(0..=last));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn last_names_are_those_of_the_specification() {
        // 4.3.2.3: "the number 371 generates PRICALLYOUGHT, and 40 generates BARPRESBAR".
        assert_eq!([371, 40, 0, 999].map(last_name), ["PRICALLYOUGHT", "BARPRESBAR", "BARBARBAR", "EINGEINGEING"]);
    }

    #[test]
    fn nurand_mixes_as_the_formula_says() {
        assert_eq!(mixed(0b1100, 0b1010, 1, 3_000, 0), 0b1110 + 1);
        assert_eq!(mixed(1_023, 2_999, 1, 3_000, 259), (1_023 | 2_999) + 259 - 3_000 + 1);
        let distance: i64 = C_LAST_LOADED - C_LAST_ASKED;
        assert!((65..=119).contains(&distance.abs()) && ![96, 112].contains(&distance.abs()));
    }

    #[test]
    fn nurand_stays_in_its_range_reaches_most_of_it_and_prefers_some() {
        let mut dice = SmallRng::seed_from_u64(1);
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..300_000 {
            counts[nurand(255, 0, 999, C_LAST_ASKED, &mut dice) as usize] += 1;
        }
        // Numbers whose low bits are 0 come once in 256,000 times.
        assert!(counts.iter().filter(|count| **count > 0).count() > 950);
        counts.sort_unstable();
        let hottest: u32 = counts[900..].iter().sum();
        assert!(hottest > 100_000, "a tenth of the names is asked for {hottest} of 300,000 times");
        for _ in 0..10_000 {
            assert!((1..=30).contains(&customer(30, &mut dice)) && (1..=100_000).contains(&item(100_000, &mut dice)));
            assert!((0..30).contains(&name_number(30, C_LAST_ASKED, &mut dice)));
        }
    }

    #[test]
    fn a_tenth_of_data_is_original_and_permutations_are_complete() {
        let mut dice = SmallRng::seed_from_u64(1);
        let rows: Vec<String> = (0..10_000).map(|_| data(&mut dice)).collect();
        let original = rows.iter().filter(|row| row.contains("ORIGINAL")).count();
        assert!((800..1_200).contains(&original), "{original}");
        assert!(rows.iter().all(|row| (26..=50).contains(&row.len())));
        let mut numbers = permutation(100, &mut dice);
        assert_ne!(numbers, (1..=100).collect::<Vec<_>>());
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
        assert!(zip(&mut dice).ends_with("11111"));
    }
}
