//! Least request: fewer requests in flight win.

use std::sync::{Mutex, PoisonError};

use destrier_policy::Selection;

use crate::Candidate;
use crate::LbState;
use crate::draws::Draws;
use crate::edf::{Edf, Time};
use crate::rotation::any_eligible;

/// From so many draws per host on, comparing all hosts gives the same with less work: a host is left
/// out of 16 n draws with a probability of e^-16.
const DRAWS_PER_HOST: usize = 16;

#[derive(Debug)]
pub(crate) enum LeastRequest {
    /// Equal weights: compare a few random hosts.
    Choices(u32),
    /// Equal weights: compare all.
    FullScan,
    /// Weights differ.
    Weighted(Box<Weighted>),
}

/// Earliest deadline first with `weight / (active + 1)^bias`, taken when a host is picked, as Envoy does.
/// Exact for the process: one schedule for all workers, its lock held for one step of a heap.
#[derive(Debug)]
pub(crate) struct Weighted {
    weights: Box<[u32]>,
    bias: f64,
    schedule: Mutex<Edf<Time>>,
}

impl LeastRequest {
    pub(crate) fn new(
        choice_count: u32,
        bias: f64,
        selection: Selection,
        weights: &[u32],
        state: &LbState,
    ) -> Self {
        if weights.windows(2).any(|pair| pair[0] != pair[1]) {
            return Self::Weighted(Box::new(Weighted::new(weights, bias, state.position())));
        }
        match selection {
            Selection::NChoices => Self::Choices(choice_count.max(1)),
            Selection::FullScan => Self::FullScan,
        }
    }

    pub(crate) fn pick(
        &self,
        state: &LbState,
        hosts: &[impl Candidate],
        random: u64,
    ) -> Option<usize> {
        let mut draws = Draws::new(random);
        match self {
            Self::Choices(count) if (*count as usize) < DRAWS_PER_HOST * hosts.len() => {
                let drawn = (0..*count).map(|_| draws.below(hosts.len()));
                least_active(drawn, hosts).or_else(|| any_eligible(hosts, random))
            }
            Self::Choices(_) | Self::FullScan => least_of_all(hosts, draws),
            Self::Weighted(weighted) => {
                state.advance();
                weighted.pick(hosts).or_else(|| any_eligible(hosts, random))
            }
        }
    }
}

/// The eligible host with strictly fewer active requests; the first drawn wins ties.
fn least_active(drawn: impl Iterator<Item = usize>, hosts: &[impl Candidate]) -> Option<usize> {
    let eligible = drawn.filter(|&host| hosts[host].is_eligible());
    eligible.min_by_key(|&host| hosts[host].active_requests())
}

/// The minimum over all; ties are broken evenly (reservoir sampling).
fn least_of_all(hosts: &[impl Candidate], mut draws: Draws) -> Option<usize> {
    let mut least = None;
    let mut ties = 0;
    for (index, host) in hosts.iter().enumerate().filter(|(_, host)| host.is_eligible()) {
        let active = host.active_requests();
        match least {
            Some((_, fewest)) if active > fewest => continue,
            Some((_, fewest)) if active == fewest => {
                ties += 1;
                if draws.below(ties) != 0 {
                    continue;
                }
            }
            _ => ties = 1,
        }
        least = Some((index, active));
    }
    least.map(|(index, _)| index)
}

impl Weighted {
    /// Goes on at `position`, as if hosts had been idle until there: else every change of the hosts
    /// would favour the same ones.
    fn new(weights: &[u32], bias: f64, position: u64) -> Self {
        // `least_request.proto: active_request_bias` must not be negative; Envoy then takes 1.
        let bias = if bias >= 0.0 { bias } else { 1.0 };
        let weights: Box<[u32]> = weights.iter().map(|&weight| weight.max(1)).collect();
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let position = position % total.max(1);
        let mut schedule = Edf::with_capacity(weights.len());
        let mut rest = position;
        for (&weight, host) in weights.iter().zip(0..) {
            let had = u128::from(position) * u128::from(weight) / u128::from(total.max(1));
            rest -= had as u64;
            schedule.insert(host, Time((had as f64 + 1.0) / f64::from(weight)));
        }
        let idle = |Time(due), host| Time(due + 1.0 / f64::from(weights[host as usize]));
        for _ in 0..rest {
            schedule.advance(idle);
        }
        Self { weights, bias, schedule: Mutex::new(schedule) }
    }

    fn pick(&self, hosts: &[impl Candidate]) -> Option<usize> {
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..hosts.len() {
            let picked = schedule.advance(|Time(due), host| {
                let host = host as usize;
                let active = hosts.get(host).map_or(0, Candidate::active_requests);
                Time(due + 1.0 / self.weight(host, active))
            })? as usize;
            if hosts.get(picked).is_some_and(Candidate::is_eligible) {
                return Some(picked);
            }
        }
        None
    }

    fn weight(&self, host: usize, active: u32) -> f64 {
        let weight = f64::from(self.weights[host]);
        let load = f64::from(active) + 1.0;
        let effective =
            if self.bias == 1.0 { weight / load } else { weight / load.powf(self.bias) };
        // However strong the bias, a host stays in the schedule.
        effective.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Busy(u32);

    impl Candidate for Busy {
        fn active_requests(&self) -> u32 {
            self.0
        }
        fn is_eligible(&self) -> bool {
            true
        }
    }

    #[test]
    fn of_the_drawn_the_least_active_wins_and_the_first_of_equals() {
        let hosts = [4, 3, 2, 1].map(Busy);
        let pick = |drawn: &[usize]| least_active(drawn.iter().copied(), &hosts);
        assert_eq!(pick(&[3, 0, 3, 2, 1]), Some(3));
        assert_eq!(pick(&[0, 1]), Some(1));
        assert_eq!(pick(&[0, 0]), Some(0), "the same host twice");
        let equal = [1, 1].map(Busy);
        assert_eq!(least_active([1, 0].into_iter(), &equal), Some(1));
    }

    /// L4 to L8: one schedule, the hosts' loads change between the rows.
    #[test]
    fn weights_that_differ_are_lowered_by_active_requests() {
        let run = |bias: f64, rows: &[([u32; 2], &str)]| {
            let weighted = Weighted::new(&[1, 2], bias, 0);
            for (active, expected) in rows {
                let hosts = active.map(Busy);
                let picks: String = (0..expected.len())
                    .filter_map(|_| weighted.pick(&hosts))
                    .map(|host| if host == 0 { 'A' } else { 'B' })
                    .collect();
                assert_eq!(picks, *expected, "bias {bias}, active {active:?}");
            }
        };
        run(1.0, &[([0, 0], "BABBAB"), ([0, 1], "BABAB")]);
        run(-1.0, &[([0, 0], "BABBAB"), ([0, 1], "BABAB")]);
        run(0.0, &[([1, 0], "BABBAB")]);
    }

    #[test]
    fn one_active_request_makes_two_to_one_into_four_to_one() {
        let weighted = Weighted::new(&[1, 2], 1.0, 0);
        let hosts = [1, 0].map(Busy);
        let picks: Vec<_> = (0..500).filter_map(|_| weighted.pick(&hosts)).collect();
        let first = picks.iter().filter(|&&host| host == 0).count();
        assert!((99..=101).contains(&first), "{first} of 500");
    }

    #[test]
    fn a_monstrous_bias_leaves_every_host_in_the_schedule() {
        let weighted = Weighted::new(&[1, 2], f64::MAX, 0);
        let hosts = [u32::MAX, u32::MAX].map(Busy);
        let picks: Vec<_> = (0..100).filter_map(|_| weighted.pick(&hosts)).collect();
        assert!(picks.contains(&0) && picks.contains(&1));
    }
}
