//! What MySQL warns of when `sql_mode` is set: modes that are to be one with the strict ones, and those that go away. MariaDB warns of none.

use vitrail_proto::message::Warning;

/// Modes that only make sense together with a strict one: bits as MySQL numbers them.
const WITH_STRICT: u64 = NO_ZERO_IN_DATE | NO_ZERO_DATE | ERROR_FOR_DIVISION_BY_ZERO;
const STRICT: u64 = STRICT_TRANS_TABLES | STRICT_ALL_TABLES;
const STRICT_TRANS_TABLES: u64 = 1 << 21;
const STRICT_ALL_TABLES: u64 = 1 << 22;
const NO_ZERO_IN_DATE: u64 = 1 << 23;
const NO_ZERO_DATE: u64 = 1 << 24;
const ERROR_FOR_DIVISION_BY_ZERO: u64 = 1 << 26;
const TRADITIONAL: u64 = 1 << 27;
const PAD_CHAR_TO_FULL_LENGTH: u64 = 1 << 31;

const NAMES: [(&str, u64); 7] = [
    ("STRICT_TRANS_TABLES", STRICT_TRANS_TABLES),
    ("STRICT_ALL_TABLES", STRICT_ALL_TABLES),
    ("NO_ZERO_IN_DATE", NO_ZERO_IN_DATE),
    ("NO_ZERO_DATE", NO_ZERO_DATE),
    ("ERROR_FOR_DIVISION_BY_ZERO", ERROR_FOR_DIVISION_BY_ZERO),
    ("TRADITIONAL", TRADITIONAL),
    ("PAD_CHAR_TO_FULL_LENGTH", PAD_CHAR_TO_FULL_LENGTH),
];

/// The warnings of setting it to `literal`.
pub(super) fn warnings(literal: &str) -> Vec<Warning> {
    let modes = modes(literal);
    let mut warnings = Vec::new();
    let some = modes & WITH_STRICT;
    if (modes & STRICT != 0 && some != WITH_STRICT) || (modes & STRICT == 0 && some != 0) {
        warnings.push(warning(
            3135,
            "'NO_ZERO_DATE', 'NO_ZERO_IN_DATE' and 'ERROR_FOR_DIVISION_BY_ZERO' sql modes should be used with strict mode. They will be merged \
             with strict mode in a future release.",
        ));
    }
    if modes & PAD_CHAR_TO_FULL_LENGTH != 0 {
        warnings.push(warning(
            3090,
            "Changing sql mode 'PAD_CHAR_TO_FULL_LENGTH' is deprecated. It will be removed in a future release.",
        ));
    }
    warnings
}

/// Those of them that matter here.
fn modes(literal: &str) -> u64 {
    let known = |name: &str| {
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        found.map_or(0, |(_, bit)| *bit)
    };
    let text = literal.trim_matches('\'');
    let modes = text.parse().unwrap_or_else(|_| text.split(',').map(known).fold(0, |modes, bit| modes | bit));
    if modes & TRADITIONAL == 0 { modes } else { modes | STRICT | WITH_STRICT }
}

fn warning(errno: u16, message: &str) -> Warning {
    Warning { level: "Warning".into(), errno, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::warnings;

    #[test]
    fn modes_about_zeros_belong_to_strict_ones() {
        for (literal, expected) in [
            ("''", &[][..]),
            ("'NO_ZERO_DATE'", &[3135]),
            ("16777216", &[3135]),
            ("'STRICT_TRANS_TABLES'", &[3135]),
            ("'strict_all_tables,NO_ZERO_DATE,NO_ZERO_IN_DATE'", &[3135]),
            ("'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'", &[]),
            ("'TRADITIONAL'", &[]),
            ("'ANSI'", &[]),
            ("'NO_ZERO_DATE,PAD_CHAR_TO_FULL_LENGTH'", &[3135, 3090]),
        ] {
            let found: Vec<u16> = warnings(literal).iter().map(|warning| warning.errno).collect();
            assert_eq!(found, expected, "{literal}");
        }
    }
}
