//! Where the values of a workload come from.

use rand::Rng;
use rand::rngs::SmallRng;
use serde::Deserialize;
use vitrail_client::{Binds, Value};

/// A number, or the name of one: of the workload's `scale`, of a bind before it, or `row` while tables are filled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// Itself.
    Literal(i64),
    /// By name.
    Named(String),
}

/// A rule for a value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Rule {
    /// A number, or what has this name.
    Number(Number),
    /// A whole number from the first to the second, each as likely.
    Uniform {
        /// First and last.
        uniform: [Number; 2],
    },
    /// A whole number from the first to the second, the first ones likelier: rank k with 1/k^theta, after Gray et al., "Quickly generating billion-record
    /// synthetic databases" (SIGMOD 1994).
    Zipf {
        /// First and last.
        zipf: [Number; 2],
        /// The skew, above 0 and below 1; 0.99 is YCSB's.
        #[serde(default = "skewed")]
        theta: f64,
    },
    /// A text of letters and digits that the number `of` determines: the same number gives the same text, on every machine.
    Text {
        /// Characters.
        text: Number,
        /// What determines it; a random number where it is left out.
        #[serde(default)]
        of: Option<Number>,
    },
    /// The sum of some.
    Sum {
        /// The summands.
        sum: Vec<Number>,
    },
    /// One of some, each as likely.
    Choice {
        /// What is chosen from.
        choice: Vec<Number>,
    },
}

fn skewed() -> f64 {
    0.99
}

/// Why a rule gives no value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// Nothing has the name.
    #[error(
        "nothing is called `{0}` here: there are the names under [scale], binds that stand before, and `row` under [[fill]]"
    )]
    Unknown(String),
    /// A text where a number is wanted.
    #[error("`{0}` is a text, and a number is wanted")]
    Text(String),
    /// A range that is empty.
    #[error("there is no number from {0} to {1}")]
    Empty(i64, i64),
}

/// What names stand for.
pub trait Names {
    /// The number of that name.
    ///
    /// # Errors
    ///
    /// There is none.
    fn number(&self, name: &str) -> Result<i64, RuleError>;
}

/// Names of the scale, and binds so far.
pub struct Known<'a> {
    /// The workload's own.
    pub scale: &'a [(String, i64)],
    /// What was drawn before.
    pub binds: &'a Binds,
}

impl Names for Known<'_> {
    fn number(&self, name: &str) -> Result<i64, RuleError> {
        match self.binds.get(name) {
            Some(Value::Int(number)) => return Ok(*number),
            Some(_) => return Err(RuleError::Text(name.to_owned())),
            None => {}
        }
        let found = self.scale.iter().find(|(known, _)| known == name);
        found.map(|(_, number)| *number).ok_or_else(|| RuleError::Unknown(name.to_owned()))
    }
}

impl Number {
    fn of(&self, names: &impl Names) -> Result<i64, RuleError> {
        match self {
            Number::Literal(number) => Ok(*number),
            Number::Named(name) => names.number(name),
        }
    }
}

impl Rule {
    /// The names that it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let numbers: Vec<&Number> = match self {
            Rule::Number(number) => vec![number],
            Rule::Uniform { uniform: [first, last] } | Rule::Zipf { zipf: [first, last], .. } => vec![first, last],
            Rule::Text { text, of } => of.iter().chain([text]).collect(),
            Rule::Sum { sum: numbers } | Rule::Choice { choice: numbers } => numbers.iter().collect(),
        };
        numbers.into_iter().filter_map(|number| match number {
            Number::Named(name) => Some(name.as_str()),
            Number::Literal(_) => None,
        })
    }

    /// Draws a value.
    ///
    /// # Errors
    ///
    /// A name that stands for nothing, or a range without numbers.
    pub fn draw(&self, names: &impl Names, dice: &mut SmallRng) -> Result<Value, RuleError> {
        let number = match self {
            Rule::Number(number) => number.of(names)?,
            Rule::Uniform { uniform: [first, last] } => {
                let (first, last) = range(first, last, names)?;
                dice.random_range(first..=last)
            }
            Rule::Zipf { zipf: [first, last], theta } => {
                let (first, last) = range(first, last, names)?;
                first + zipf(last - first + 1, *theta, dice.random())
            }
            Rule::Sum { sum } => {
                sum.iter().try_fold(0_i64, |total, number| Ok(total.wrapping_add(number.of(names)?)))?
            }
            Rule::Choice { choice } => match choice.len() {
                0 => return Err(RuleError::Empty(1, 0)),
                count => choice[dice.random_range(0..count)].of(names)?,
            },
            Rule::Text { text, of } => {
                let length = usize::try_from(text.of(names)?).unwrap_or(0);
                let seed = match of {
                    Some(of) => of.of(names)? as u64,
                    None => dice.random(),
                };
                return Ok(Value::Text(letters(seed, length)));
            }
        };
        Ok(Value::Int(number))
    }
}

fn range(first: &Number, last: &Number, names: &impl Names) -> Result<(i64, i64), RuleError> {
    let (first, last) = (first.of(names)?, last.of(names)?);
    if first > last { Err(RuleError::Empty(first, last)) } else { Ok((first, last)) }
}

/// A rank from 0, by the inverse of the continuous approximation of Zipf's distribution.
fn zipf(count: i64, theta: f64, chance: f64) -> i64 {
    let (count, power) = (count as f64, 1.0 - theta);
    let rank = ((count.powf(power) - 1.0).mul_add(chance, 1.0)).powf(1.0 / power);
    (rank as i64 - 1).clamp(0, count as i64 - 1)
}

/// Letters and digits by SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub fn letters(seed: u64, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut state = seed;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        for _ in 0..12.min(length - text.len()) {
            text.push(char::from(ALPHABET[(mixed & 31) as usize]));
            mixed >>= 5;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use vitrail_client::params;

    use super::*;

    fn draw(text: &str) -> Result<Value, RuleError> {
        #[derive(Deserialize)]
        struct Holder {
            rule: Rule,
        }
        let holder: Holder = toml::from_str(&format!("rule = {text}")).expect("a rule");
        let scale = [("rows".to_owned(), 100)];
        let binds = params! { "id" => 7, "name" => "x" };
        holder.rule.draw(&Known { scale: &scale, binds: &binds }, &mut SmallRng::seed_from_u64(1))
    }

    #[test]
    fn rules_draw_what_they_say() {
        assert_eq!(draw("5"), Ok(Value::Int(5)));
        assert_eq!(draw("'id'"), Ok(Value::Int(7)));
        assert_eq!(draw("{ sum = ['id', 'rows', 1] }"), Ok(Value::Int(108)));
        assert_eq!(draw("{ text = 14, of = 'id' }"), draw("{ text = 14, of = 7 }"));
        let Ok(Value::Text(text)) = draw("{ text = 14 }") else { panic!("a text") };
        assert_eq!(text.len(), 14);
        for _ in 0..100 {
            let Ok(Value::Int(number)) = draw("{ uniform = ['id', 'rows'] }") else { panic!("a number") };
            assert!((7..=100).contains(&number));
        }
        assert_eq!(draw("'nothing'"), Err(RuleError::Unknown("nothing".into())));
        assert_eq!(draw("'name'"), Err(RuleError::Text("name".into())));
        assert_eq!(draw("{ uniform = [3, 2] }"), Err(RuleError::Empty(3, 2)));
    }

    #[test]
    fn zipf_prefers_the_first_and_reaches_the_last() {
        let mut dice = SmallRng::seed_from_u64(1);
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..200_000 {
            counts[usize::try_from(zipf(1_000, 0.99, dice.random())).expect("positive")] += 1;
        }
        assert!(counts[0] > 10 * counts[99] && counts[99] > counts[900]);
        assert!(counts.iter().filter(|count| **count > 0).count() > 990);
    }
}
