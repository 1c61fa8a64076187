//! What a column can hold, as far as it changes a value that is stored.

/// The values that a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Domain {
    /// Integers from `least` to `most`.
    Integers {
        /// The lowest.
        least: i64,
        /// The highest.
        most: u64,
    },
    /// `year`, where numbers of two digits stand for others.
    Years,
    /// Text of so many characters.
    Characters {
        /// At most.
        most: u64,
        /// `char`: spaces at the end are not kept.
        trimmed: bool,
    },
    /// Bytes, or text that is limited in bytes.
    Bytes {
        /// At most.
        most: u64,
        /// `binary`: filled up with zeros.
        filled: bool,
    },
    /// `date`
    Dates,
    /// `datetime`
    Datetimes,
    /// `time`
    Times,
    /// `bit`
    Bits,
    /// MySQL's `json`, whose values know more types than their text form. MariaDB's is text.
    Documents,
    /// Anything else, or not known.
    #[default]
    Other,
}

impl Domain {
    /// The domain of a column from `COLUMN_TYPE` of `information_schema.columns` (`int(10) unsigned`, `varchar(20)`).
    pub fn of(column_type: &str) -> Domain {
        let lower = column_type.to_ascii_lowercase();
        let word = lower.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
        let length = lower.split_once('(').and_then(|(_, rest)| rest.split_once(')')?.0.trim().parse().ok());
        let integers = |bits: u32| {
            if lower.contains("unsigned") {
                Domain::Integers { least: 0, most: u64::MAX >> (64 - bits) }
            } else {
                Domain::Integers { least: i64::MIN >> (64 - bits), most: (i64::MAX >> (64 - bits)).unsigned_abs() }
            }
        };
        let bytes = |most| Domain::Bytes { most, filled: false };
        match (word, length) {
            ("tinyint" | "bool" | "boolean", _) => integers(8),
            ("smallint", _) => integers(16),
            ("mediumint", _) => integers(24),
            ("int" | "integer", _) => integers(32),
            ("bigint", _) => integers(64),
            ("year", _) => Domain::Years,
            ("date", _) => Domain::Dates,
            ("datetime", _) => Domain::Datetimes,
            ("time", _) => Domain::Times,
            ("bit", _) => Domain::Bits,
            ("json", _) => Domain::Documents,
            ("char", length) => Domain::Characters { most: length.unwrap_or(1), trimmed: true },
            ("varchar", Some(most)) => Domain::Characters { most, trimmed: false },
            ("binary", length) => Domain::Bytes { most: length.unwrap_or(1), filled: true },
            ("varbinary", Some(most)) => bytes(most),
            ("tinytext" | "tinyblob", _) => bytes(0xff),
            ("text" | "blob", _) => bytes(0xffff),
            ("mediumtext" | "mediumblob", _) => bytes(0xff_ffff),
            ("longtext" | "longblob", _) => bytes(0xffff_ffff),
            _ => Domain::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_read_from_the_types_of_columns() {
        let integers = |least, most| Domain::Integers { least, most };
        let characters = |most, trimmed| Domain::Characters { most, trimmed };
        let bytes = |most, filled| Domain::Bytes { most, filled };
        for (column_type, domain) in [
            ("tinyint(1)", integers(-128, 127)),
            ("TINYINT UNSIGNED", integers(0, 255)),
            ("smallint(5) unsigned zerofill", integers(0, 65_535)),
            ("mediumint(9)", integers(-8_388_608, 8_388_607)),
            ("int", integers(-2_147_483_648, 2_147_483_647)),
            ("bigint(20)", integers(i64::MIN, 9_223_372_036_854_775_807)),
            ("bigint unsigned", integers(0, u64::MAX)),
            ("year(4)", Domain::Years),
            ("datetime(6)", Domain::Datetimes),
            ("time", Domain::Times),
            ("char(36)", characters(36, true)),
            ("varchar(20) /*M!100301 COMPRESSED*/", characters(20, false)),
            ("binary(16)", bytes(16, true)),
            ("varbinary(255)", bytes(255, false)),
            ("blob", bytes(65_535, false)),
            ("longtext", bytes(4_294_967_295, false)),
            ("enum('a(1)','b')", Domain::Other),
            ("decimal(10,2)", Domain::Other),
            ("uuid", Domain::Other),
        ] {
            assert_eq!(Domain::of(column_type), domain, "{column_type}");
        }
    }
}
