//! Addresses of `ip("…")`: an address, a range `from-to`, or a network in CIDR notation.
//!
//! A text matches if any address in it does, wherever it stands: between brackets, after a colon,
//! or with a port behind it. IPv4 and IPv6 never match each other.

use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

/// What is between the quotes of `ip("…")`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IpRange {
    low: IpAddr,
    high: IpAddr,
}

/// What is between the quotes is no address, range or network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IpError {
    /// What was there.
    pub text: String,
}

impl IpRange {
    /// Reads `192.168.4.5`, `192.168.4.5-192.168.4.20` or `192.168.4.5/16`.
    ///
    /// # Errors
    /// Anything else, a range of two families or from high to low.
    pub fn parse(text: &str) -> Result<Self, IpError> {
        let wrong = || IpError { text: text.into() };
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { low: address, high: address });
        }
        if let Some((address, length)) = text.split_once('/') {
            return network(address, length).ok_or_else(wrong);
        }
        let (low, high) = text.split_once('-').ok_or_else(wrong)?;
        let low: IpAddr = low.trim().parse().map_err(|_| wrong())?;
        let high: IpAddr = high.trim().parse().map_err(|_| wrong())?;
        let ordered = low.is_ipv4() == high.is_ipv4() && low <= high;
        if ordered { Ok(Self { low, high }) } else { Err(wrong()) }
    }

    /// Whether the range has the address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.low.is_ipv4() && self.low <= address && address <= self.high
    }

    /// Whether any address in the text is in the range.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let inside = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
        text.split(|c: char| !inside(c)).any(|run| self.run_matches(run))
    }

    /// A run of digits, letters up to `f`, colons and points.
    fn run_matches(&self, run: &str) -> bool {
        if run.len() < SHORTEST_ADDRESS || !run.contains([':', '.']) {
            return false;
        }
        let bare = run.trim_end_matches('.');
        let candidates = [bare, bare.strip_suffix(':').unwrap_or(bare), bare.trim_matches(':')];
        for candidate in candidates {
            if candidate.len() <= LONGEST_ADDRESS
                && let Ok(address) = candidate.parse::<IpAddr>()
            {
                return self.contains(address);
            }
        }
        bare.contains('.')
            && bare.split(':').any(|part| {
                part.parse::<Ipv4Addr>().is_ok_and(|address| self.contains(IpAddr::V4(address)))
            })
    }
}

impl fmt::Display for IpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no address, range of addresses or network", self.text)
    }
}

impl core::error::Error for IpError {}

/// The first and the last address of a network.
fn network(address: &str, length: &str) -> Option<IpRange> {
    if !length.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let length: u32 = length.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            (length <= u32::BITS).then(|| IpRange {
                low: Ipv4Addr::from(u32::from(address) & !host).into(),
                high: Ipv4Addr::from(u32::from(address) | host).into(),
            })
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            (length <= u128::BITS).then(|| IpRange {
                low: core::net::Ipv6Addr::from(u128::from(address) & !host).into(),
                high: core::net::Ipv6Addr::from(u128::from(address) | host).into(),
            })
        }
    }
}

/// `::`
const SHORTEST_ADDRESS: usize = 2;
/// The longest spelling of an IPv6 address with an IPv4 address at its end.
const LONGEST_ADDRESS: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, text: &str, expected: bool) {
        assert_eq!(IpRange::parse(range).unwrap().is_in(text), expected, "{range} in {text}");
    }

    #[test]
    fn addresses_are_found_in_text() {
        check("192.168.0.5", "from 192.168.0.5 to 10.0.0.1", true);
        check("192.168.0.5", "from 192.168.0.51", false);
        check("192.168.0.5", "peer=192.168.0.5:8080", true);
        check("192.168.0.5", "(192.168.0.5).", true);
        check("192.168.0.5", "addr:192.168.0.5", true);
        check("192.168.0.5", "ab:192.168.0.5", true);
        check("192.168.0.5", "nothing here: at 12:30", false);
        check("192.168.4.5-192.168.4.20", "a 192.168.4.20 b", true);
        check("192.168.4.5-192.168.4.20", "a 192.168.4.21 b", false);
        check("192.168.4.5/16", "192.168.255.255", true);
        check("192.168.4.5/16", "192.169.0.0", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("2001:db8::/32", "GET from [2001:db8::1]:443", true);
        check("2001:db8::/32", "GET from [2001:db9::1]:443", false);
        check("::/0", "fe80::1 and 10.0.0.1", true);
        check("::1", "listening on ::1: done", true);
        check("2001:db8::1-2001:db8::8", "2001:db8::7", true);
        check("2001:db8::1-2001:db8::8", "2001:db8::9", false);
        check("10.0.0.1/32", "10.0.0.1", true);
        check("10.0.0.1/32", "10.0.0.2", false);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "a",
            "10.0.0",
            "10.0.0.1/33",
            "10.0.0.1/+8",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "::1/129",
            "10.0.0.1/",
            "10.0.0.1-",
            "10.0.0.256",
        ] {
            assert_eq!(IpRange::parse(text), Err(IpError { text: text.into() }));
        }
    }
}
