//! A prefix as it is announced: an address and a length, with nothing set beyond it.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// Whether that address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
            IpAddr::V6(a) => a.to_bits(),
        };
        let beyond = 128 - u32::from(self.length);
        let apart = bits(self.address) ^ bits(address);
        self.address.is_ipv4() == address.is_ipv4() && apart.checked_shr(beyond).unwrap_or(0) == 0
    }

    /// FRR's word for its family.
    pub(super) fn family(&self) -> &'static str {
        if self.address.is_ipv4() { "ipv4" } else { "ipv6" }
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').ok_or("a prefix has a length: 192.0.2.80/32")?;
        let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length: u8 = length.parse().ok().filter(|l| *l <= most).ok_or(format!("the length is 0 to {most}"))?;
        let bits = match address {
            IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
            IpAddr::V6(a) => a.to_bits(),
        };
        if bits.checked_shl(u32::from(length)).unwrap_or(0) != 0 {
            return Err(format!("{address} has bits set beyond its length of {length}"));
        }
        Ok(Self { address, length })
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_addresses_lie_in_it() {
        for (prefix, address, expected) in [
            ("192.0.2.80/32", "192.0.2.80", true),
            ("192.0.2.80/32", "192.0.2.81", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let prefix: Prefix = prefix.parse().expect("a prefix");
            assert_eq!(prefix.holds(address.parse().expect("an address")), expected, "{address} in {prefix}");
        }
    }

    #[test]
    fn prefixes_are_read_and_shown_in_one_way() {
        for (text, shown, family) in [
            ("192.0.2.80/32", "192.0.2.80/32", "ipv4"),
            ("0.0.0.0/0", "0.0.0.0/0", "ipv4"),
            ("198.51.100.0/24", "198.51.100.0/24", "ipv4"),
            ("2001:DB8:0:0::/64", "2001:db8::/64", "ipv6"),
            ("2001:db8::1/128", "2001:db8::1/128", "ipv6"),
            ("::/0", "::/0", "ipv6"),
        ] {
            let prefix: Prefix = text.parse().expect("a prefix");
            assert_eq!((prefix.to_string().as_str(), prefix.family()), (shown, family));
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in
            ["", "192.0.2.80", "192.0.2.80/33", "192.0.2.80/24", "2001:db8::1/64", "x/8", "10.0.0.0/-1", "::/129"]
        {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
