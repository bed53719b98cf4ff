//! What came of a load.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use http::{HeaderMap, StatusCode};

use super::Load;

/// Latencies are kept in nanoseconds, from 1 us to 60 s, to three digits.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 60_000_000_000;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The connection could not be made.
    Connect,
    /// The connection or stream ended before the head of the answer, or refused the request.
    Closed,
    /// The connection or stream ended inside the answer.
    Truncated,
    /// The answer was not HTTP, or more came than belongs to it.
    Malformed,
    /// The answer was not complete in time.
    Timeout,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Report {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer, by what went wrong.
    pub failures: BTreeMap<Failure, u64>,
    /// Answers by the value of [`Load::count_by`].
    pub by_header: BTreeMap<String, u64>,
    /// Nanoseconds from the request to the last byte of the answer, of all whole answers.
    pub latency: Histogram<u64>,
    /// From the start to the end of the load.
    pub elapsed: Duration,
    /// Connections that were made.
    pub connections: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            by_header: BTreeMap::new(),
            latency: Histogram::new_with_bounds(LOWEST, HIGHEST, 3)
                .expect("the bounds are in order and three digits are allowed"),
            elapsed: Duration::ZERO,
            connections: 0,
        }
    }
}

impl Report {
    /// Whole answers, of any status.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Whole answers with status 200.
    pub fn ok(&self) -> u64 {
        self.statuses.get(&200).copied().unwrap_or(0)
    }

    /// Requests without a whole answer.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Whole answers in a second.
    pub fn per_second(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the answers did not exceed; `quantile` is from 0 to 1.
    pub fn latency_at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(quantile))
    }

    pub(super) fn note_answer(
        &mut self,
        load: &Load,
        status: StatusCode,
        headers: &HeaderMap,
        latency: Duration,
    ) {
        *self.statuses.entry(status.as_u16()).or_default() += 1;
        if let Some(value) = load.count_by.as_ref().and_then(|name| headers.get(name)) {
            let value = String::from_utf8_lossy(value.as_bytes());
            match self.by_header.get_mut(&*value) {
                Some(count) => *count += 1,
                None => {
                    self.by_header.insert(value.into_owned(), 1);
                }
            }
        }
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(HIGHEST);
        self.latency.saturating_record(nanos);
    }

    pub(super) fn note_failure(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
        for (value, count) in other.by_header {
            *self.by_header.entry(value).or_default() += count;
        }
        self.latency.add(&other.latency).expect("all reports have the same bounds");
        self.connections += other.connections;
    }
}
