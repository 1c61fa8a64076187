//! Durations and sizes as configuration writes them: `250ms`, `30s`, `10m`, `1h`; `512`, `64KiB`, `16MiB`, `1GiB`.

/// `#[serde(with = "units::duration")]` for a [`std::time::Duration`].
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Units, largest first, with their length in milliseconds.
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// Writes the duration in the largest unit that holds it exactly.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format(*value))
    }

    /// Reads a number directly followed by its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a duration: write a number and ms, s, m or h, as in `30s`"
            ))
        })
    }

    pub(super) fn format(value: Duration) -> String {
        let millis = value.as_millis() as u64;
        let (unit, length) = UNITS.into_iter().find(|(_, length)| millis.is_multiple_of(*length)).unwrap_or(("ms", 1));
        if millis == 0 { "0s".into() } else { format!("{}{unit}", millis / length) }
    }

    pub(super) fn parse(text: &str) -> Option<Duration> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(length)?))
    }
}

/// `#[serde(with = "units::bytes")]` for a size in bytes.
pub mod bytes {
    use serde::{Deserializer, Serializer};

    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

    /// Writes the size in the largest unit that holds it exactly.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format(*value))
    }

    /// Reads a number of bytes, or a number directly followed by `KiB`, `MiB` or `GiB`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Size)
    }

    struct Size;

    impl serde::de::Visitor<'_> for Size {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a size in bytes, or a number and KiB, MiB or GiB, as in `16MiB`")
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
            Ok(value)
        }

        fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
            u64::try_from(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    pub(super) fn format(value: u64) -> String {
        match UNITS.into_iter().find(|(_, length)| value != 0 && value.is_multiple_of(*length)) {
            Some((unit, length)) => format!("{}{unit}", value / length),
            None => value.to_string(),
        }
    }

    pub(super) fn parse(text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let length = match unit {
            "" => 1,
            unit => UNITS.into_iter().find(|(name, _)| *name == unit)?.1,
        };
        number.parse::<u64>().ok()?.checked_mul(length)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, duration};

    #[test]
    fn durations_read_back_as_written() {
        for (text, millis) in [("250ms", 250), ("30s", 30_000), ("10m", 600_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(duration::parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(duration::format(Duration::from_millis(millis)), text);
        }
        for wrong in ["", "30", "s", "30 s", "-1s", "1.5s", "30sec", "99999999999999999999s"] {
            assert_eq!(duration::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_read_back_as_written() {
        for (text, size) in [("512", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("1GiB", 1 << 30), ("0", 0)] {
            assert_eq!(bytes::parse(text), Some(size), "{text}");
            assert_eq!(bytes::format(size), text);
        }
        for wrong in ["", "KiB", "1KB", "-1", "1 MiB", "99999999999999999999"] {
            assert_eq!(bytes::parse(wrong), None, "{wrong}");
        }
    }
}
