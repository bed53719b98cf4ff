//! Slow start: a host that came, or came back, gets its weight step by step (`SlowStartConfig`).

use std::time::Duration;

use destrier_policy::{LbPolicy, SlowStart};

use crate::weights::Weight;

/// Into so many steps a window is cut: a step changes a weight by a fiftieth at most for linear growth.
const STEPS: u32 = 50;
/// No cluster is built anew more often for the sake of slow start.
const SHORTEST_STEP: Duration = Duration::from_millis(100);

/// The policy's slow start, if it has one: round robin and least request only.
pub(crate) fn of(policy: &LbPolicy) -> Option<&SlowStart> {
    match policy {
        LbPolicy::RoundRobin { slow_start } | LbPolicy::LeastRequest { slow_start, .. } => {
            slow_start.as_ref().filter(|config| config.window.as_millis() > 0)
        }
        _ => None,
    }
}

/// Which part of its weight a host gets that has been healthy for `age`: 1 where the policy has no slow
/// start, or the host is not new any more.
pub fn slow_start_factor(policy: &LbPolicy, age: Duration) -> f64 {
    of(policy).map_or(1.0, |config| factor(config, age))
}

/// See [`slow_start_factor`].
pub(crate) fn factor(config: &SlowStart, age: Duration) -> f64 {
    if age >= config.window {
        return 1.0;
    }
    let grown = age.as_millis().max(1) as f64 / config.window.as_millis() as f64;
    let valid = config.aggression > 0.0 && config.aggression != 1.0;
    let grown = if valid { grown.powf(1.0 / config.aggression) } else { grown };
    grown.max(config.min_weight_percent.get() / 100.0).min(1.0)
}

/// What is left of `weight` at that age. Exact for linear growth.
pub(crate) fn weight(config: &SlowStart, age: Duration, weight: u32) -> Weight {
    /// In millionths.
    const PARTS: u64 = 1_000_000;
    let factor = factor(config, age);
    if factor >= 1.0 {
        return Weight::whole(weight);
    }
    let weight = u64::from(weight.max(1));
    let (time, window) = (age.as_millis().max(1) as u64, config.window.as_millis() as u64);
    if factor == time as f64 / window as f64
        && let Some(num) = weight.checked_mul(time)
    {
        return Weight { num, den: window };
    }
    let parts = ((factor * PARTS as f64).round() as u64).max(1);
    Weight { num: weight * parts, den: PARTS }
}

/// After how long the weights are to be worked out anew, for hosts of these ages; `None` when no host is
/// in its window.
pub(crate) fn next_step(
    config: &SlowStart,
    ages: impl Iterator<Item = Duration>,
) -> Option<Duration> {
    let left = ages.filter_map(|age| config.window.checked_sub(age)).filter(|left| !left.is_zero());
    let step = (config.window / STEPS).max(SHORTEST_STEP);
    left.min().map(|left| left.min(step))
}

#[cfg(test)]
mod tests {
    use destrier_policy::Percent;

    use super::*;

    fn config(window: u64, aggression: f64) -> SlowStart {
        let min_weight_percent = Percent::new(10.0).expect("in range");
        SlowStart { window: Duration::from_secs(window), aggression, min_weight_percent }
    }

    #[test]
    fn a_weight_grows_as_in_envoy() {
        for (window, aggression, seconds, expected) in [
            (60, 1.0, 0.0, 0.1),
            (60, 1.0, 6.0, 0.1),
            (60, 1.0, 12.0, 0.2),
            (60, 1.0, 20.0, 0.3333),
            (60, 1.0, 30.0, 0.5),
            (60, 1.0, 59.0, 0.9833),
            (60, 1.0, 60.0, 1.0),
            (60, 2.0, 6.0, 0.3162),
            (60, 2.0, 26.0, 0.6583),
            (60, 0.5, 30.0, 0.25),
            (10, 1.5, 9.0, 0.9322),
            (10, 0.9, 7.0, 0.6728),
            (60, 0.0, 30.0, 0.5),
        ] {
            let factor = factor(&config(window, aggression), Duration::from_secs_f64(seconds));
            assert!((factor - expected).abs() < 5e-5, "{aggression} at {seconds}: {factor}");
        }
    }

    #[test]
    fn linear_growth_is_exact() {
        let config = config(60, 1.0);
        let weight = |seconds| weight(&config, Duration::from_secs(seconds), 3);
        assert_eq!(weight(20), Weight { num: 3 * 20_000, den: 60_000 });
        assert_eq!(weight(3), Weight { num: 300_000, den: 1_000_000 }, "the least it gets");
        assert_eq!(weight(61), Weight::whole(3));
    }

    #[test]
    fn the_next_step_is_near_and_the_last_is_the_end_of_the_window() {
        let config = config(60, 1.0);
        let ages = |ages: &[u64]| next_step(&config, ages.iter().copied().map(Duration::from_secs));
        assert_eq!(ages(&[]), None);
        assert_eq!(ages(&[60, 100]), None);
        assert_eq!(ages(&[0, 100]), Some(Duration::from_millis(1200)));
        assert_eq!(ages(&[0, 59]), Some(Duration::from_secs(1)));
    }
}
