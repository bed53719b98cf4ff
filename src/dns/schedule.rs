//! When a name is asked for again.

use std::time::Duration;

use destrier_policy::DnsOptions;

use super::Found;

/// The shortest pause: a random one might be none, and a server without an answer be flooded.
const SHORTEST: Duration = Duration::from_millis(1);

/// Of one name.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// In a row.
    failures: u32,
}

impl Schedule {
    /// After this answer, or none; `random` is uniform from 0 to below 1 (Envoy: `StrictDnsClusterImpl`,
    /// `JitteredExponentialBackOffStrategy`).
    pub(super) fn pause(
        &mut self,
        options: &DnsOptions,
        found: Option<&Found>,
        random: f64,
    ) -> Duration {
        let Some(found) = found else {
            let failures = self.failures;
            self.failures = failures.saturating_add(1);
            return options.failure_backoff.map_or(options.refresh_rate, |backoff| {
                let limit = backoff.base.saturating_mul(1 << failures.min(30)).min(backoff.max);
                limit.mul_f64(random).max(SHORTEST)
            });
        };
        self.failures = 0;
        // A TTL of 0 says that the answer must not be kept, not how often to ask.
        let ttl = found.ttl.filter(|ttl| options.respect_ttl && !ttl.is_zero());
        ttl.unwrap_or(options.refresh_rate) + options.jitter.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use destrier_policy::{DnsFamily, DnsServers, FailureBackoff};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn options() -> DnsOptions {
        DnsOptions {
            refresh_rate: 5 * SECOND,
            failure_backoff: None,
            jitter: Duration::ZERO,
            respect_ttl: false,
            family: DnsFamily::Auto,
            wait_for_warm: true,
            servers: DnsServers::default(),
        }
    }

    fn found(ttl: Option<u64>) -> Found {
        Found { addresses: vec![], ttl: ttl.map(Duration::from_secs) }
    }

    #[test]
    fn a_ttl_is_respected_when_asked() {
        let mut schedule = Schedule::default();
        let mut options = options();
        assert_eq!(schedule.pause(&options, Some(&found(Some(60))), 0.0), 5 * SECOND);
        options.respect_ttl = true;
        for (ttl, pause) in [(Some(60), 60), (Some(1), 1), (Some(0), 5), (None, 5)] {
            assert_eq!(schedule.pause(&options, Some(&found(ttl)), 0.0), pause * SECOND);
        }
        options.jitter = 2 * SECOND;
        assert_eq!(schedule.pause(&options, Some(&found(Some(60))), 0.5), 61 * SECOND);
    }

    #[test]
    fn pauses_after_failures_double_up_to_the_limit() {
        let mut schedule = Schedule::default();
        let mut options = options();
        assert_eq!(schedule.pause(&options, None, 0.5), 5 * SECOND);
        options.failure_backoff = Some(FailureBackoff { base: SECOND, max: 10 * SECOND });
        let mut schedule_of = |random| schedule.pause(&options, None, random).as_millis();
        let pauses: Vec<_> = [0.5; 5].into_iter().map(&mut schedule_of).collect();
        // The first failure above counts.
        assert_eq!(pauses, [1000, 2000, 4000, 5000, 5000]);
        assert_eq!(schedule_of(0.0), 1);
        schedule.pause(&options, Some(&found(None)), 0.0);
        assert_eq!(schedule.pause(&options, None, 0.5), SECOND / 2);
        schedule.failures = u32::MAX;
        assert_eq!(schedule.pause(&options, None, 0.5), 5 * SECOND);
    }
}
