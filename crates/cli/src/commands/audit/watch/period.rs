//! A length of time on the command line: a number and its unit, `10s`, `5m` or `24h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, from a second to a year.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Period(Duration);

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotAPeriod;

impl fmt::Display for NotAPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a number and a unit from 1s to 8760h, such as 10s, 5m or 24h")
    }
}

impl std::error::Error for NotAPeriod {}

impl Period {
    /// The time.
    pub(super) const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let units = [('s', 1), ('m', 60), ('h', 3600)];
        let unit = units.into_iter().find(|(unit, _)| text.ends_with(*unit));
        let (unit, seconds) = unit.ok_or(NotAPeriod)?;
        let digits = text.strip_suffix(unit).ok_or(NotAPeriod)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number: u64 = digits.parse().map_err(|_| NotAPeriod)?;
        let whole = number.checked_mul(seconds).filter(|whole| plain && *whole <= LONGEST);
        whole.map(|whole| Self(Duration::from_secs(whole))).ok_or(NotAPeriod)
    }
}

/// A year; whoever wants longer wants never.
const LONGEST: u64 = 8_760 * 3_600;

#[cfg(test)]
mod tests {
    use super::{NotAPeriod, Period};

    #[test]
    fn a_number_and_a_unit_and_nothing_else() {
        let seconds = |text: &str| text.parse::<Period>().map(|period| period.get().as_secs());
        assert_eq!(seconds("1s"), Ok(1));
        assert_eq!(seconds("10s"), Ok(10));
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("8760h"), Ok(31_536_000));
        for wrong in ["", "s", "0s", "010s", "+1s", "1", "1 s", "1d", "8761h", "-1s", "9e9s"] {
            assert_eq!(seconds(wrong), Err(NotAPeriod), "{wrong}");
        }
    }
}
