//! How load is spread over priorities: Envoy's integer formulas.

use crate::Health;

/// Hosts of one priority by health, as counts or, with `weighted_priority_health`, also as weights.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Census {
    pub(crate) hosts: Tally,
    pub(crate) weights: Tally,
}

/// Sums over hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) total: u64,
    /// Of `total`, those that count nowhere: DRAINING.
    pub(crate) excluded: u64,
    pub(crate) healthy: u64,
    pub(crate) degraded: u64,
}

impl Tally {
    /// Takes a host in that stands for `amount`.
    pub(crate) fn add(&mut self, health: Health, amount: u64) {
        self.total += amount;
        match health {
            Health::Healthy => self.healthy += amount,
            Health::Degraded => self.degraded += amount,
            Health::Excluded => self.excluded += amount,
            Health::Unhealthy | Health::Barred => {}
        }
    }

    fn counted(&self) -> u64 {
        self.total - self.excluded
    }

    /// Percent of the counted that is available, with reserve, at most 100.
    fn availability(&self, part: u64, factor: u32) -> u64 {
        match self.counted() {
            0 => 0,
            counted => {
                let percent = u128::from(factor) * u128::from(part) / u128::from(counted);
                percent.min(100) as u64
            }
        }
    }

    /// Whether fewer than `threshold` percent are available. An empty priority has none.
    pub(crate) fn is_below(&self, threshold: u32) -> bool {
        let percent = |part: u64| match self.counted() {
            0 => 0.0,
            counted => 100.0 * part as f64 / counted as f64,
        };
        percent(self.healthy) + percent(self.degraded) < f64::from(threshold)
    }
}

/// What of the load a priority gets, in percent, and from which of its hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) healthy: u32,
    pub(crate) degraded: u32,
    /// All hosts are used, whatever their health.
    pub(crate) panic: bool,
}

/// The settings that the loads depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPolicy {
    /// `overprovisioning_factor`, percent.
    pub(crate) overprovisioning_factor: u32,
    /// `weighted_priority_health`.
    pub(crate) weighted: bool,
    /// `healthy_panic_threshold` in whole percents; 0 is off.
    pub(crate) panic_threshold: u32,
}

impl LoadPolicy {
    /// The load of each priority. The loads add up to 100, unless there is no priority at all.
    pub(crate) fn loads(self, levels: &[Census]) -> Vec<Load> {
        let factor = self.overprovisioning_factor;
        let tally = |census: &Census| if self.weighted { census.weights } else { census.hosts };
        let (healthy, degraded): (Vec<u64>, Vec<u64>) = levels
            .iter()
            .map(tally)
            .map(|tally| {
                let of = |part| tally.availability(part, factor);
                (of(tally.healthy), of(tally.degraded))
            })
            .unzip();
        let available = (healthy.iter().chain(&degraded).sum::<u64>()).min(100);
        let mut loads = vec![Load::default(); levels.len()];
        if available > 0 {
            distribute(&mut loads, &healthy, &degraded, available);
        } else if self.panic_threshold == 0 {
            // Nobody is there to take it, and the sum stays 100.
            if let Some(first) = loads.first_mut() {
                first.healthy = 100;
            }
            return loads;
        }
        if available < 100 {
            for (load, census) in loads.iter_mut().zip(levels) {
                load.panic = census.hosts.is_below(self.panic_threshold);
            }
        }
        if loads.iter().all(|load| load.panic) {
            by_size(&mut loads, levels);
        }
        loads
    }
}

/// Higher priorities first, healthy hosts before degraded ones; what rounding leaves goes to the first
/// that is available.
fn distribute(loads: &mut [Load], healthy: &[u64], degraded: &[u64], available: u64) {
    let mut rest = 100;
    let mut take = |part: u64| {
        let load = (part * 100 / available).min(rest);
        rest -= load;
        // At most 100.
        load as u32
    };
    for (load, part) in loads.iter_mut().zip(healthy) {
        load.healthy = take(*part);
    }
    for (load, part) in loads.iter_mut().zip(degraded) {
        load.degraded = take(*part);
    }
    let rest = rest as u32;
    let first = |parts: &[u64]| parts.iter().position(|part| *part > 0);
    if let Some(level) = first(healthy) {
        loads[level].healthy += rest;
    } else if let Some(level) = first(degraded) {
        loads[level].degraded += rest;
    }
}

/// When every priority is in panic health says nothing any more.
fn by_size(loads: &mut [Load], levels: &[Census]) {
    let all: u64 = levels.iter().map(|census| census.hosts.total).sum();
    let mut rest = 100;
    for (load, census) in loads.iter_mut().zip(levels) {
        let share = (100 * census.hosts.total).checked_div(all).unwrap_or(0) as u32;
        *load = Load { healthy: share, degraded: 0, panic: true };
        rest -= share;
    }
    let first = levels.iter().position(|census| census.hosts.total > 0).unwrap_or(0);
    if let Some(load) = loads.get_mut(first) {
        load.healthy += rest;
    }
}
