//! Distributions of durations.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bins per decade: 1.0 to 9.9, two significant digits as in Envoy's histograms. With microseconds and
/// decades of ten, every bound of [`Histogram::BOUNDS_MS`] is the edge of a bin.
const BINS: usize = 90;

/// Ten decades from 10 microseconds up end at 27 hours; longer values count as that long.
const DECADES: usize = 10;

/// Times, log-linear with two significant digits. Recording takes no lock; memory is taken by the
/// decades that are used (720 bytes each).
#[derive(Debug, Default)]
pub struct Histogram {
    sum_us: AtomicU64,
    /// Below 10 microseconds.
    shortest: AtomicU64,
    decades: OnceLock<Box<[OnceLock<Box<Decade>>; DECADES]>>,
}

#[derive(Debug)]
struct Decade([AtomicU64; BINS]);

impl Default for Decade {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BINS])
    }
}

/// Decade and bin of a value of at least 10 microseconds.
fn place(us: u64) -> (usize, usize) {
    let exponent = us.ilog10();
    let decade = exponent as usize - 1;
    if decade >= DECADES {
        return (DECADES - 1, BINS - 1);
    }
    // Two leading digits, 10 to 99.
    (decade, (us / 10u64.pow(exponent - 1)) as usize - 10)
}

/// Lower edge and width of a bin, in microseconds.
fn edges(decade: usize, bin: usize) -> (u64, u64) {
    let width = 10u64.pow(decade as u32);
    ((bin as u64 + 10) * width, width)
}

impl Histogram {
    /// Envoy's Prometheus buckets, in milliseconds.
    pub const BOUNDS_MS: [f64; 19] = [
        0.5,
        1.0,
        5.0,
        10.0,
        25.0,
        50.0,
        100.0,
        250.0,
        500.0,
        1000.0,
        2500.0,
        5000.0,
        10000.0,
        30000.0,
        60000.0,
        300_000.0,
        600_000.0,
        1_800_000.0,
        3_600_000.0,
    ];

    /// Counts one value.
    pub fn record(&self, value: Duration) {
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        if us < 10 {
            self.shortest.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (decade, bin) = place(us);
        let bins = self.decades.get_or_init(Box::default)[decade].get_or_init(Box::default);
        bins.0[bin].fetch_add(1, Ordering::Relaxed);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.bins().map(|bin| bin.count).sum()
    }

    /// Sum of all values, in milliseconds.
    pub fn sum_ms(&self) -> f64 {
        self.sum_us.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// For each of [`Self::BOUNDS_MS`], how many values are below it.
    pub fn cumulative(&self) -> [u64; Self::BOUNDS_MS.len()] {
        let mut counts = [0; Self::BOUNDS_MS.len()];
        for bin in self.bins() {
            // A bin lies below a bound as a whole or not at all.
            let first = Self::BOUNDS_MS
                .partition_point(|bound| bound * 1000.0 < (bin.start_us + bin.width_us) as f64);
            for count in &mut counts[first..] {
                *count += bin.count;
            }
        }
        counts
    }

    /// The value in milliseconds that a share of `quantile` (0.0 to 1.0) of all values does not exceed;
    /// `None` without values. As in Envoy the values of a bin are taken to be spread evenly over it, each
    /// in the middle of its share: one alone stands in the middle of the bin.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let rank = (quantile.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0);
        let mut below = 0.0;
        let mut found = None;
        for bin in self.bins() {
            let count = bin.count as f64;
            let into = ((rank - below - 0.5) / count).clamp(0.0, 1.0);
            found = Some((bin.start_us as f64 + bin.width_us as f64 * into) / 1000.0);
            below += count;
            if below >= rank {
                break;
            }
        }
        found
    }

    /// Bins that are not empty, in order.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let count = self.shortest.load(Ordering::Relaxed);
        let shortest = Bin { start_us: 0, width_us: 10, count };
        let decades = self.decades.get().into_iter().flat_map(|decades| decades.iter().enumerate());
        let rest = decades.filter_map(|(index, bins)| Some((index, bins.get()?))).flat_map(
            |(decade, bins)| {
                bins.0.iter().enumerate().map(move |(bin, count)| {
                    let (start_us, width_us) = edges(decade, bin);
                    Bin { start_us, width_us, count: count.load(Ordering::Relaxed) }
                })
            },
        );
        std::iter::once(shortest).chain(rest).filter(|bin| bin.count > 0)
    }
}

/// How many values stand between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// The lower bound, in microseconds; it belongs to the bin.
    pub start_us: u64,
    /// From there to the upper bound, which does not.
    pub width_us: u64,
    /// How many values.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(values_us: &[u64]) -> Histogram {
        let histogram = Histogram::default();
        for &us in values_us {
            histogram.record(Duration::from_micros(us));
        }
        histogram
    }

    #[test]
    fn values_stand_in_the_bucket_of_the_next_bound() {
        let histogram =
            recorded(&[0, 9, 499, 500, 999, 24_900, 25_000, 3_599_000_000, u64::MAX / 8]);
        let counts = histogram.cumulative();
        let at = |bound: f64| {
            let index = Histogram::BOUNDS_MS.iter().position(|known| *known == bound);
            counts[index.expect("a bound")]
        };
        assert_eq!(at(0.5), 3);
        assert_eq!(at(1.0), 5);
        assert_eq!(at(10.0), 5);
        assert_eq!(at(25.0), 6);
        assert_eq!(at(50.0), 7);
        assert_eq!(at(3_600_000.0), 8, "more than an hour is in no bucket but the last, +Inf");
        assert_eq!(histogram.count(), 9);
    }

    #[test]
    fn nothing_recorded_has_no_quantile_and_takes_no_memory() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        assert_eq!((histogram.count(), histogram.sum_ms()), (0, 0.0));
        assert!(histogram.decades.get().is_none());
    }

    #[test]
    fn every_bound_is_the_edge_of_a_bin() {
        for bound in Histogram::BOUNDS_MS {
            let us = (bound * 1000.0) as u64;
            let (decade, bin) = place(us);
            assert_eq!(edges(decade, bin).0, us, "{bound}");
        }
    }

    /// From the recordings: six values, three of them 0, the others in the bins of 3, 600 and 1000 ms.
    #[test]
    fn quantiles_are_those_that_envoy_shows() {
        let histogram = recorded(&[0, 0, 0, 3_000, 600_000, 1_000_000]);
        assert_eq!(histogram.quantile_ms(0.75), Some(605.0));
        assert_eq!(histogram.quantile_ms(0.9), Some(1050.0));
        assert_eq!(histogram.quantile_ms(1.0), Some(1050.0));
        let last_of_three = recorded(&[1_000, 1_000, 1_000]).quantile_ms(0.9).expect("not empty");
        assert!((last_of_three - 1.083_333).abs() < 1e-6, "{last_of_three}");
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_a_tenth_of_the_exact_one(
            mut values in prop::collection::vec(10u64..1_000_000_000, 1..200),
            quantile in 0.01f64..1.0,
        ) {
            let histogram = recorded(&values);
            values.sort_unstable();
            let rank = (quantile * values.len() as f64).ceil() as usize;
            let exact = values[rank - 1] as f64 / 1000.0;
            let estimate = histogram.quantile_ms(quantile).expect("not empty");
            prop_assert!((estimate - exact).abs() <= exact * 0.101, "{} for {}", estimate, exact);
        }

        #[test]
        fn nothing_is_lost(values in prop::collection::vec(0u64..u64::MAX / 1000, 0..100)) {
            let histogram = recorded(&values);
            prop_assert_eq!(histogram.count(), values.len() as u64);
            let sum = values.iter().sum::<u64>() as f64 / 1000.0;
            prop_assert_eq!(histogram.sum_ms(), sum);
        }
    }
}
