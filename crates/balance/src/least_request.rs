//! Least request: fewer requests in flight win.

use std::sync::{Mutex, PoisonError};

use destrier_policy::Selection;

use crate::Candidate;
use crate::candidate::View;
use crate::draws::Draws;
use crate::edf::{Edf, Time};
use crate::weights::{Weight, proportions};

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
    weights: Box<[f64]>,
    bias: f64,
    schedule: Mutex<Edf<Time>>,
}

impl LeastRequest {
    /// `position` counts the picks made so far.
    pub(crate) fn new(
        choice_count: u32,
        bias: f64,
        selection: Selection,
        weights: &[Weight],
        position: u64,
    ) -> Self {
        if proportions(weights).iter().any(|&weight| weight != 1) {
            return Self::Weighted(Box::new(Weighted::new(weights, bias, position)));
        }
        match selection {
            Selection::NChoices => Self::Choices(choice_count.max(1)),
            Selection::FullScan => Self::FullScan,
        }
    }

    /// The place that is chosen. `count` is called when the pick takes part in a rotation.
    pub(crate) fn pick(
        &self,
        hosts: &View<'_, impl Candidate>,
        random: u64,
        count: impl FnOnce(),
    ) -> Option<usize> {
        let mut draws = Draws::new(random);
        match self {
            Self::Choices(choices) if (*choices as usize) < DRAWS_PER_HOST * hosts.len() => {
                let drawn = (0..*choices).map(|_| draws.below(hosts.len()));
                least_active(drawn, hosts).or_else(|| any_eligible(hosts, random))
            }
            Self::Choices(_) | Self::FullScan => least_of_all(hosts, draws),
            Self::Weighted(weighted) => {
                count();
                weighted.pick(hosts).or_else(|| any_eligible(hosts, random))
            }
        }
    }

    /// The part of the picks that each place has when all are idle.
    pub(crate) fn shares(&self, count: usize) -> Vec<f64> {
        match self {
            Self::Choices(_) | Self::FullScan => vec![1.0 / count as f64; count],
            Self::Weighted(weighted) => {
                let total: f64 = weighted.weights.iter().sum();
                weighted.weights.iter().map(|weight| weight / total).collect()
            }
        }
    }
}

/// Any eligible place.
pub(crate) fn any_eligible(hosts: &View<'_, impl Candidate>, random: u64) -> Option<usize> {
    hosts.first_from(Draws::new(random).below(hosts.len()))
}

/// The eligible place with strictly fewer active requests; the first drawn wins ties.
fn least_active(
    drawn: impl Iterator<Item = usize>,
    hosts: &View<'_, impl Candidate>,
) -> Option<usize> {
    let eligible = drawn.filter(|&place| hosts.is_eligible(place));
    eligible.min_by_key(|&place| hosts.active_requests(place))
}

/// The minimum over all; ties are broken evenly (reservoir sampling).
fn least_of_all(hosts: &View<'_, impl Candidate>, mut draws: Draws) -> Option<usize> {
    let mut least = None;
    let mut ties = 0;
    for place in (0..hosts.len()).filter(|&place| hosts.is_eligible(place)) {
        let active = hosts.active_requests(place);
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
        least = Some((place, active));
    }
    least.map(|(place, _)| place)
}

impl Weighted {
    /// Goes on at `position`, as if hosts had been idle until there: else every change of the hosts
    /// would favour the same ones.
    fn new(weights: &[Weight], bias: f64, position: u64) -> Self {
        // `least_request.proto: active_request_bias` must not be negative; Envoy then takes 1.
        let bias = if bias >= 0.0 { bias } else { 1.0 };
        let turns = proportions(weights);
        let weights: Box<[f64]> = weights.iter().map(|weight| weight.get()).collect();
        let total: u64 = turns.iter().copied().map(u64::from).sum();
        let position = position % total.max(1);
        let mut schedule = Edf::with_capacity(weights.len());
        let mut rest = position;
        for ((&turns, weight), host) in turns.iter().zip(&weights).zip(0..) {
            let had = u128::from(position) * u128::from(turns) / u128::from(total.max(1));
            rest -= had as u64;
            schedule.insert(host, Time((had as f64 + 1.0) / weight));
        }
        let idle = |Time(due), host| Time(due + 1.0 / weights[host as usize]);
        for _ in 0..rest {
            schedule.advance(idle);
        }
        Self { weights, bias, schedule: Mutex::new(schedule) }
    }

    fn pick(&self, hosts: &View<'_, impl Candidate>) -> Option<usize> {
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..hosts.len() {
            let picked = schedule.advance(|Time(due), place| {
                let place = place as usize;
                Time(due + 1.0 / self.weight(place, hosts.active_requests(place)))
            })? as usize;
            if hosts.is_eligible(picked) {
                return Some(picked);
            }
        }
        None
    }

    fn weight(&self, host: usize, active: u32) -> f64 {
        let weight = self.weights[host];
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

    use destrier_policy::{Address, HealthStatus};

    use crate::candidate::{Members, Strictness};

    struct Busy(u32);

    impl Candidate for Busy {
        fn address(&self) -> &Address {
            unreachable!("no pick by address here")
        }
        fn active_requests(&self) -> u32 {
            self.0
        }
        fn is_eligible(&self) -> bool {
            true
        }
        fn status(&self) -> Option<HealthStatus> {
            None
        }
    }

    fn with_view<R>(hosts: &[Busy], look: impl FnOnce(&View<'_, Busy>) -> R) -> R {
        let members = Members::Range { start: 0, len: hosts.len() as u32 };
        look(&View { hosts, members: &members, strictness: Strictness::Eligible })
    }

    fn weights(weights: &[u32]) -> Vec<Weight> {
        weights.iter().copied().map(Weight::whole).collect()
    }

    #[test]
    fn of_the_drawn_the_least_active_wins_and_the_first_of_equals() {
        let hosts = [4, 3, 2, 1].map(Busy);
        let pick =
            |drawn: &[usize]| with_view(&hosts, |hosts| least_active(drawn.iter().copied(), hosts));
        assert_eq!(pick(&[3, 0, 3, 2, 1]), Some(3));
        assert_eq!(pick(&[0, 1]), Some(1));
        assert_eq!(pick(&[0, 0]), Some(0), "the same host twice");
        let equal = [1, 1].map(Busy);
        let first = with_view(&equal, |hosts| least_active([1, 0].into_iter(), hosts));
        assert_eq!(first, Some(1));
    }

    /// L4 to L8: one schedule, the hosts' loads change between the rows.
    #[test]
    fn weights_that_differ_are_lowered_by_active_requests() {
        let run = |bias: f64, rows: &[([u32; 2], &str)]| {
            let weighted = Weighted::new(&weights(&[1, 2]), bias, 0);
            for (active, expected) in rows {
                let hosts = active.map(Busy);
                let picks: String = (0..expected.len())
                    .filter_map(|_| with_view(&hosts, |hosts| weighted.pick(hosts)))
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
        let weighted = Weighted::new(&weights(&[1, 2]), 1.0, 0);
        let hosts = [1, 0].map(Busy);
        let picks: Vec<_> =
            (0..500).filter_map(|_| with_view(&hosts, |hosts| weighted.pick(hosts))).collect();
        let first = picks.iter().filter(|&&host| host == 0).count();
        assert!((99..=101).contains(&first), "{first} of 500");
    }

    #[test]
    fn a_monstrous_bias_leaves_every_host_in_the_schedule() {
        let weighted = Weighted::new(&weights(&[1, 2]), f64::MAX, 0);
        let hosts = [u32::MAX, u32::MAX].map(Busy);
        let picks: Vec<_> =
            (0..100).filter_map(|_| with_view(&hosts, |hosts| weighted.pick(hosts))).collect();
        assert!(picks.contains(&0) && picks.contains(&1));
    }
}
