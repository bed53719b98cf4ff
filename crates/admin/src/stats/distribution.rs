//! How a histogram is shown.

use destrier_upstream::{Bin, Histogram};

use crate::answer::Answer;
use crate::query::Query;

/// `?histogram_buckets=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Buckets {
    /// Quantiles.
    #[default]
    Summary,
    /// How many values are below each bound.
    Cumulative,
    /// How many values are between each two bounds.
    Disjoint,
    /// The bins as they are kept.
    Detailed,
}

impl Buckets {
    pub(super) fn read(query: &Query) -> Result<Self, Answer> {
        let form = match query.given("histogram_buckets") {
            // To Envoy this asks for nothing special, as does leaving it out.
            None | Some("none" | "summary") => Self::Summary,
            Some("cumulative") => Self::Cumulative,
            Some("disjoint") => Self::Disjoint,
            Some("detailed") => Self::Detailed,
            Some(_) => {
                return Err(Answer::bad_request(
                    "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n",
                ));
            }
        };
        Ok(form)
    }
}

/// A histogram at the moment of reading.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub(super) count: u64,
    pub(super) sum_ms: f64,
    pub(super) quantiles: [f64; Self::QUANTILES.len()],
    pub(super) bins: Vec<Bin>,
    cumulative: [u64; Histogram::BOUNDS_MS.len()],
}

impl Distribution {
    /// Envoy's percentiles.
    pub(super) const QUANTILES: [f64; 10] =
        [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

    pub(super) fn of(histogram: &Histogram) -> Self {
        let quantile = |percent: f64| histogram.quantile_ms(percent / 100.0).unwrap_or(0.0);
        Self {
            count: histogram.count(),
            sum_ms: histogram.sum_ms(),
            quantiles: Self::QUANTILES.map(quantile),
            bins: histogram.bins().collect(),
            cumulative: histogram.cumulative(),
        }
    }

    /// Each bound in milliseconds, and how many values are below it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        Histogram::BOUNDS_MS.into_iter().zip(self.cumulative)
    }

    /// Each bound in milliseconds, and how many values are between it and the one before.
    pub(super) fn disjoint(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut before = 0;
        self.cumulative()
            .map(move |(bound, count)| (bound, count - std::mem::replace(&mut before, count)))
    }
}

/// A lower bound or a width in milliseconds.
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
