//! Shares of a whole.

use std::fmt;

/// A finite percentage from 0 to 100 (`percent.proto: Percent`, `FractionalPercent`). NaN, infinities
/// and values outside the range cannot be made.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// The whole.
    pub const HUNDRED: Self = Self(100.0);

    /// `None` when `value` is not a number from 0 to 100.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=100.0).contains(&value).then_some(Self(value))
    }

    /// From 0.0 to 100.0.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Cut to whole percents, as Envoy does with the panic threshold (33.9 acts as 33).
    pub fn whole(self) -> u32 {
        // In range by construction: 0 to 100.
        self.0 as u32
    }

    /// Whether a uniformly random `random` falls into this share. 0 never does, 100 always.
    pub fn hits(self, random: u64) -> bool {
        // 53 bits are what a double holds exactly.
        ((random >> 11) as f64) < self.0 / 100.0 * (1u64 << 53) as f64
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A share in whole parts (`percent.proto: FractionalPercent`), at most the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// `numerator`.
    pub parts: u32,
    /// `denominator`: 100, 10,000 or 1,000,000.
    pub of: u32,
}

impl Share {
    /// The whole.
    pub const ALL: Self = Self { parts: 100, of: 100 };

    /// Whether a uniformly random `random` falls into this share: by its rest, as in Envoy, so that one
    /// number for all decisions about a request makes those agree.
    pub fn hits(self, random: u64) -> bool {
        random % u64::from(self.of.max(1)) < u64::from(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_goes_by_the_rest() {
        let share = Share { parts: 25, of: 10_000 };
        assert!(share.hits(24) && share.hits(10_000) && !share.hits(25) && !share.hits(9_999));
        assert!(Share::ALL.hits(u64::MAX) && !Share { parts: 0, of: 100 }.hits(0));
    }

    #[test]
    fn only_percentages_can_be_made() {
        assert_eq!(Percent::new(0.0), Some(Percent::ZERO));
        assert_eq!(Percent::new(100.0), Some(Percent::HUNDRED));
        for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Percent::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_panic_threshold_is_cut_to_whole_percents() {
        assert_eq!(Percent::new(33.9).map(Percent::whole), Some(33));
    }

    #[test]
    fn nothing_never_hits_and_the_whole_always_does() {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Percent::ZERO.hits(random));
            assert!(Percent::HUNDRED.hits(random));
        }
        let half = Percent::new(50.0).expect("in range");
        assert!(half.hits(u64::MAX / 2 - 4096) && !half.hits(u64::MAX / 2 + 4096));
    }
}
