//! Which addresses of this machine connections come from: one has ports for about 28,000 towards one server.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::target::{Listening, Target};

/// Connections from one loopback address. What is left of its ports is for those that were closed a minute ago and less.
const PER_ADDRESS: usize = 10_000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Source {
    /// The system chooses.
    System,
    /// The first 10,000 as the system chooses, the next from 127.0.0.2, and so on.
    Loopback,
    /// In turns.
    These(Vec<IpAddr>),
}

impl Source {
    /// For a target, unless addresses were `asked` for.
    pub(super) fn towards(target: &Target, asked: &[IpAddr]) -> Source {
        match target.listening() {
            _ if !asked.is_empty() => Source::These(asked.to_vec()),
            Some(Listening::Tcp(host, _)) if host == "localhost" || host.starts_with("127.") => Source::Loopback,
            _ => Source::System,
        }
    }

    /// Of the connection with that number.
    pub(super) fn of(&self, number: usize) -> Option<IpAddr> {
        match self {
            Source::System => None,
            Source::These(addresses) => Some(addresses[number % addresses.len()]),
            Source::Loopback => match number / PER_ADDRESS {
                0 => None,
                block => {
                    let [third, last] = u16::try_from(block + 1).unwrap_or(u16::MAX).to_be_bytes();
                    Some(Ipv4Addr::new(127, 0, third, last).into())
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_ports_enough() {
        let local = Target::parse("vitrail://app@localhost:15300/load").expect("a target");
        let source = Source::towards(&local, &[]);
        let text = |number| source.of(number).map(|address| address.to_string());
        assert_eq!(
            [0, 9_999, 10_000, 2_560_000].map(text),
            [None, None, Some("127.0.0.2".into()), Some("127.0.1.1".into())]
        );
        let far = Target::parse("mysql://root@192.0.2.1/load").expect("a target");
        assert_eq!(Source::towards(&far, &[]), Source::System);
        let asked = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().expect("an address"));
        let source = Source::towards(&far, &asked);
        assert_eq!([0, 1, 2].map(|number| source.of(number)), [Some(asked[0]), Some(asked[1]), Some(asked[0])]);
    }
}
