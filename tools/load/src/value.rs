//! Where the values of a workload come from.

use rand::Rng;
use rand::rngs::SmallRng;
use serde::Deserialize;
use vitrail_client::Value;

/// A number as a file has it: itself, or the name of one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// Itself.
    Literal(i64),
    /// By name.
    Named(String),
}

/// A number as clients draw it: names were looked up before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Itself.
    Literal(i64),
    /// What was drawn into this slot.
    Slot(usize),
}

/// A rule for a value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Rule<N = Number> {
    /// A number, or what has this name.
    Number(N),
    /// A whole number from the first to the second, each as likely.
    Uniform {
        /// First and last.
        uniform: [N; 2],
    },
    /// A whole number from the first to the second, the first ones likelier: rank k with 1/k^theta, after Gray et al., "Quickly generating billion-record
    /// synthetic databases" (SIGMOD 1994).
    Zipf {
        /// First and last.
        zipf: [N; 2],
        /// The skew, above 0 and below 1; 0.99 is YCSB's.
        #[serde(default = "skewed")]
        theta: f64,
    },
    /// A text of letters and digits that the number `of` determines: the same number gives the same text, on every machine.
    Text {
        /// Characters.
        text: N,
        /// What determines it; a random number where it is left out.
        #[serde(default = "none")]
        of: Option<N>,
    },
    /// The sum of some.
    Sum {
        /// The summands.
        sum: Vec<N>,
    },
    /// What is left of the first when it is divided by the second.
    Remainder {
        /// Dividend and divisor.
        remainder: [N; 2],
    },
    /// One of some, each as likely.
    Choice {
        /// What is chosen from.
        choice: Vec<N>,
    },
}

fn skewed() -> f64 {
    0.99
}

fn none<N>() -> Option<N> {
    None
}

/// Why a rule gives no value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// Nothing has the name.
    #[error(
        "nothing is called `{0}` here: there are the names under [scale], binds that stand before, and `row` under [[table]]"
    )]
    Unknown(String),
    /// A text where a number is wanted.
    #[error("`{0}` is a text, and a number is wanted")]
    Text(String),
    /// A range that is empty.
    #[error("there is no number from {0} to {1}")]
    Empty(i64, i64),
    /// A divisor that is not above 0.
    #[error("nothing is divided by {0}: take a number above 0")]
    Divisor(i64),
    /// A skew that is none.
    #[error("theta is {0}: take a number above 0 and below 1, as 0.99")]
    Skew(String),
}

impl Operand {
    /// The number, given what was drawn.
    pub fn of(self, drawn: &[Value]) -> i64 {
        match self {
            Operand::Literal(number) => number,
            Operand::Slot(slot) => match drawn.get(slot) {
                Some(Value::Int(number)) => *number,
                _ => 0,
            },
        }
    }
}

impl<N> Rule<N> {
    /// Its numbers.
    pub fn numbers(&self) -> Vec<&N> {
        match self {
            Rule::Number(number) => vec![number],
            Rule::Uniform { uniform: [first, second] }
            | Rule::Zipf { zipf: [first, second], .. }
            | Rule::Remainder { remainder: [first, second] } => vec![first, second],
            Rule::Text { text, of } => of.iter().chain([text]).collect(),
            Rule::Sum { sum: numbers } | Rule::Choice { choice: numbers } => numbers.iter().collect(),
        }
    }

    /// The same with other numbers.
    ///
    /// # Errors
    ///
    /// The first of `other`, or a rule that can give no value.
    pub fn with<M>(&self, mut other: impl FnMut(&N) -> Result<M, RuleError>) -> Result<Rule<M>, RuleError> {
        let mut pair = |[first, second]: &[N; 2]| Ok::<_, RuleError>([other(first)?, other(second)?]);
        Ok(match self {
            Rule::Uniform { uniform } => Rule::Uniform { uniform: pair(uniform)? },
            Rule::Zipf { zipf, theta } if *theta > 0.0 && *theta < 1.0 => {
                Rule::Zipf { zipf: pair(zipf)?, theta: *theta }
            }
            Rule::Zipf { theta, .. } => return Err(RuleError::Skew(theta.to_string())),
            Rule::Remainder { remainder } => Rule::Remainder { remainder: pair(remainder)? },
            Rule::Number(number) => Rule::Number(other(number)?),
            Rule::Text { text, of } => Rule::Text { text: other(text)?, of: of.as_ref().map(other).transpose()? },
            Rule::Sum { sum } => Rule::Sum { sum: sum.iter().map(other).collect::<Result<_, _>>()? },
            Rule::Choice { choice } if choice.is_empty() => return Err(RuleError::Empty(1, 0)),
            Rule::Choice { choice } => Rule::Choice { choice: choice.iter().map(other).collect::<Result<_, _>>()? },
        })
    }

    /// Whether it gives a text.
    pub fn is_text(&self) -> bool {
        matches!(self, Rule::Text { .. })
    }
}

impl Rule<Operand> {
    /// Draws a value, given what was drawn before.
    ///
    /// # Errors
    ///
    /// A range without numbers, or a divisor that is none.
    pub fn draw(&self, drawn: &[Value], dice: &mut SmallRng) -> Result<Value, RuleError> {
        match self {
            Rule::Text { text, of } => Ok(Value::Text(Letters::of(*text, *of, drawn, dice).collect())),
            _ => self.number(drawn, dice).map(Value::Int),
        }
    }

    /// Whether a cell of an answer is what it gives.
    ///
    /// # Errors
    ///
    /// As [`draw`](Rule::draw).
    pub fn gives(&self, cell: Option<&[u8]>, drawn: &[Value], dice: &mut SmallRng) -> Result<bool, RuleError> {
        let Some(cell) = cell else { return Ok(false) };
        match self {
            Rule::Text { text, of } => {
                Ok(Letters::of(*text, *of, drawn, dice).eq(cell.iter().map(|byte| char::from(*byte))))
            }
            _ => {
                Ok(std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok()) == Some(self.number(drawn, dice)?))
            }
        }
    }

    fn number(&self, drawn: &[Value], dice: &mut SmallRng) -> Result<i64, RuleError> {
        Ok(match self {
            Rule::Number(number) => number.of(drawn),
            Rule::Uniform { uniform } => {
                let (first, last) = range(uniform, drawn)?;
                dice.random_range(first..=last)
            }
            Rule::Zipf { zipf: numbers, theta } => {
                let (first, last) = range(numbers, drawn)?;
                first + zipf(last - first + 1, *theta, dice.random())
            }
            Rule::Sum { sum } => sum.iter().fold(0, |total, number| number.of(drawn).wrapping_add(total)),
            Rule::Remainder { remainder: [dividend, divisor] } => match divisor.of(drawn) {
                divisor if divisor > 0 => dividend.of(drawn).rem_euclid(divisor),
                divisor => return Err(RuleError::Divisor(divisor)),
            },
            Rule::Choice { choice } => choice[dice.random_range(0..choice.len())].of(drawn),
            Rule::Text { .. } => 0,
        })
    }
}

fn range(numbers: &[Operand; 2], drawn: &[Value]) -> Result<(i64, i64), RuleError> {
    let [first, last] = numbers.map(|number| number.of(drawn));
    if first > last { Err(RuleError::Empty(first, last)) } else { Ok((first, last)) }
}

/// A rank from 0, by the inverse of the continuous approximation of Zipf's distribution.
fn zipf(count: i64, theta: f64, chance: f64) -> i64 {
    let (count, power) = (count as f64, 1.0 - theta);
    let rank = ((count.powf(power) - 1.0).mul_add(chance, 1.0)).powf(1.0 / power);
    (rank as i64 - 1).clamp(0, count as i64 - 1)
}

/// Letters and digits that a seed determines.
pub fn letters(seed: u64, length: usize) -> String {
    Letters { state: seed, bits: 0, left: length }.collect()
}

/// Letters and digits by SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), twelve from each number.
struct Letters {
    state: u64,
    /// Of the number that is used up; its highest bit is a mark behind those that are left.
    bits: u64,
    left: usize,
}

impl Letters {
    fn of(length: Operand, of: Option<Operand>, drawn: &[Value], dice: &mut SmallRng) -> Letters {
        let left = usize::try_from(length.of(drawn)).unwrap_or(0);
        let state = of.map_or_else(|| dice.random(), |of| of.of(drawn) as u64);
        Letters { state, bits: 0, left }
    }
}

impl Iterator for Letters {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        self.left = self.left.checked_sub(1)?;
        if self.bits <= 1 {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            self.bits = (mixed & ((1 << 60) - 1)) | (1 << 60);
        }
        let letter = ALPHABET[(self.bits & 31) as usize];
        self.bits >>= 5;
        Some(char::from(letter))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// With `rows`, which is 100, and a slot `id`, which has 7.
    fn rule(text: &str) -> Result<Rule<Operand>, RuleError> {
        #[derive(Deserialize)]
        struct Holder {
            rule: Rule,
        }
        let holder: Holder = toml::from_str(&format!("rule = {text}")).expect("a rule");
        holder.rule.with(|number| match number {
            Number::Literal(number) => Ok(Operand::Literal(*number)),
            Number::Named(name) if name == "id" => Ok(Operand::Slot(0)),
            Number::Named(name) if name == "rows" => Ok(Operand::Literal(100)),
            Number::Named(name) => Err(RuleError::Unknown(name.clone())),
        })
    }

    fn draw(text: &str) -> Result<Value, RuleError> {
        rule(text)?.draw(&[Value::Int(7)], &mut SmallRng::seed_from_u64(1))
    }

    #[test]
    fn rules_draw_what_they_say() {
        assert_eq!(draw("5"), Ok(Value::Int(5)));
        assert_eq!(draw("'id'"), Ok(Value::Int(7)));
        assert_eq!(draw("{ sum = ['id', 'rows', 1] }"), Ok(Value::Int(108)));
        assert_eq!(draw("{ remainder = ['rows', 'id'] }"), Ok(Value::Int(2)));
        assert_eq!(draw("{ text = 14, of = 'id' }"), draw("{ text = 14, of = 7 }"));
        let Ok(Value::Text(text)) = draw("{ text = 14 }") else { panic!("a text") };
        assert_eq!(text.len(), 14);
        for _ in 0..100 {
            let Ok(Value::Int(number)) = draw("{ uniform = ['id', 'rows'] }") else { panic!("a number") };
            assert!((7..=100).contains(&number));
        }
        assert_eq!(draw("'nothing'"), Err(RuleError::Unknown("nothing".into())));
        assert_eq!(draw("{ uniform = [3, 2] }"), Err(RuleError::Empty(3, 2)));
        assert_eq!(draw("{ choice = [] }"), Err(RuleError::Empty(1, 0)));
        assert_eq!(draw("{ remainder = [3, 0] }"), Err(RuleError::Divisor(0)));
        assert_eq!(draw("{ zipf = [1, 2], theta = 1.5 }"), Err(RuleError::Skew("1.5".into())));
    }

    #[test]
    fn cells_are_held_against_rules() {
        let mut dice = SmallRng::seed_from_u64(1);
        let text = letters(7, 30);
        for (rule_text, cell, wanted) in [
            ("{ text = 30, of = 'id' }", Some(text.as_str()), true),
            ("{ text = 31, of = 'id' }", Some(&text), false),
            ("{ text = 29, of = 'id' }", Some(&text), false),
            ("{ text = 30, of = 8 }", Some(&text), false),
            ("'id'", Some("7"), true),
            ("'id'", Some("70"), false),
            ("'id'", Some("x"), false),
            ("'id'", None, false),
        ] {
            let rule = rule(rule_text).expect("a rule");
            let gives = rule.gives(cell.map(str::as_bytes), &[Value::Int(7)], &mut dice);
            assert_eq!(gives, Ok(wanted), "{rule_text} {cell:?}");
        }
    }

    #[test]
    fn letters_are_the_same_on_every_machine() {
        // SplitMix64's first number of the seed 1234567 is 6457827717110365317 by its authors' C code.
        let mut number = 6_457_827_717_110_365_317_u64;
        let wanted: String = (0..12)
            .map(|_| {
                let letter = b"abcdefghijklmnopqrstuvwxyz234567"[(number & 31) as usize];
                number >>= 5;
                char::from(letter)
            })
            .collect();
        assert_eq!(letters(1_234_567, 12), wanted);
        assert_eq!(letters(1_234_567, 5), wanted[..5]);
        assert_eq!(letters(1_234_567, 40)[..12], wanted);
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
