//! Zone-aware routing: how much of the load stays in the own zone, and where the rest goes.

use std::collections::HashMap;

use destrier_policy::Locality;

use crate::draws::Draws;
use crate::priority::Tally;
use crate::{Health, LbState};

/// Parts of a whole are counted in ten-thousandths.
const WHOLE: u64 = 10_000;

/// The cluster of which this proxy is a member (`cluster_manager.local_cluster_name`): from whose zones
/// the same upstream cluster is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalCluster {
    /// Healthy members by zone; one without any is there all the same.
    zones: HashMap<Locality, u64>,
    tally: Tally,
    /// Members of the own zone, whatever their health.
    own: u64,
}

impl LocalCluster {
    /// From the zone that this proxy is in, and the members with their zones.
    pub fn new<'a>(own: &Locality, members: impl Iterator<Item = (&'a Locality, Health)>) -> Self {
        let mut local = Self { zones: HashMap::new(), tally: Tally::default(), own: 0 };
        for (zone, health) in members {
            local.own += u64::from(zone == own);
            local.tally.add(health, 1);
            *local.zones.entry(zone.clone()).or_default() += u64::from(health == Health::Healthy);
        }
        local
    }

    pub(crate) fn is_in_panic(&self, threshold: u32) -> bool {
        self.tally.is_below(threshold)
    }

    /// The part of the local cluster that is in a zone.
    fn part(&self, zone: &Locality) -> u64 {
        let healthy: u64 = self.zones.values().sum();
        (WHOLE * self.zones.get(zone).copied().unwrap_or(0)).checked_div(healthy).unwrap_or(0)
    }
}

/// A zone of the upstream cluster.
pub(crate) struct Zone<'a> {
    pub(crate) locality: &'a Locality,
    pub(crate) healthy: u64,
}

/// Where requests go. Zones by their place in the list that it was made from, in which the own zone, if
/// it is there, is the first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// All stay.
    Direct,
    /// So many ten-thousandths stay; the others are spread by what each zone has to spare, summed up.
    Residual { to_own: u64, spare: Box<[u64]> },
}

/// Why zones are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flat {
    /// There is nothing to choose: one zone on either side.
    OneZone,
    /// The local cluster says nothing about the own zone.
    LocalClusterNotOk,
    /// Fewer healthy hosts than `min_cluster_size`.
    TooSmall,
}

impl Routing {
    /// As Envoy works it out. Its own divisions cut off, so a little may be left over.
    pub(crate) fn new(
        local: &LocalCluster,
        own: &Locality,
        zones: &[Zone<'_>],
        min_cluster_size: u64,
    ) -> Result<Self, Flat> {
        if zones.len() < 2 || local.zones.len() < 2 {
            return Err(Flat::OneZone);
        }
        if local.own == 0 {
            return Err(Flat::LocalClusterNotOk);
        }
        let healthy: u64 = zones.iter().map(|zone| zone.healthy).sum();
        if healthy < min_cluster_size {
            return Err(Flat::TooSmall);
        }
        let part = |zone: &Zone<'_>| (WHOLE * zone.healthy).checked_div(healthy).unwrap_or(0);
        // The zone of nobody is not known to Envoy.
        let local_part =
            |zone: &Zone<'_>| if zone.healthy == 0 { 0 } else { local.part(zone.locality) };
        let own_zone = zones.first().filter(|zone| zone.locality == own);
        if own_zone.is_some_and(|zone| part(zone) > 0 && part(zone) >= local_part(zone)) {
            return Ok(Self::Direct);
        }
        let to_own = own_zone.and_then(|zone| (part(zone) * WHOLE).checked_div(local_part(zone)));
        let mut sum = 0;
        let spare = zones.iter().enumerate().map(|(place, zone)| {
            if place > 0 || own_zone.is_none() {
                sum += part(zone).saturating_sub(local_part(zone));
            }
            sum
        });
        let spare = spare.collect();
        Ok(Self::Residual { to_own: to_own.unwrap_or(0), spare })
    }

    /// The zone for one request.
    pub(crate) fn pick(&self, state: &LbState, draws: &mut Draws) -> usize {
        let counts = state.counters().get();
        let Self::Residual { to_own, spare } = self else {
            counts.lb_zone_routing_all_directly.inc();
            return 0;
        };
        if (draws.below(WHOLE as usize) as u64) < *to_own {
            counts.lb_zone_routing_sampled.inc();
            return 0;
        }
        counts.lb_zone_routing_cross_zone.inc();
        let all = spare.last().copied().unwrap_or(0);
        if all == 0 {
            counts.lb_zone_no_capacity_left.inc();
            return draws.below(spare.len());
        }
        let drawn = draws.below(all as usize) as u64;
        spare.partition_point(|&sum| sum <= drawn)
    }

    /// The part of the requests that each of `count` zones gets.
    pub(crate) fn shares(&self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        match self {
            Self::Direct => shares[0] = 1.0,
            Self::Residual { to_own, spare } => {
                let away = 1.0 - *to_own as f64 / WHOLE as f64;
                let all = spare.last().copied().unwrap_or(0);
                let mut before = 0;
                for (share, sum) in shares.iter_mut().zip(spare) {
                    *share = match all {
                        0 => away / count as f64,
                        all => away * (sum - before) as f64 / all as f64,
                    };
                    before = *sum;
                }
                shares[0] += 1.0 - away;
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: usize) -> Locality {
        Locality::new("r", &format!("z{name}"), "")
    }

    /// Hosts per zone on both sides; the own zone is the first. An upstream zone without a host that is
    /// not the first is not there.
    fn routing(local: &[u64], upstream: &[u64]) -> Result<Routing, Flat> {
        let zones: Vec<Locality> = (0..local.len().max(upstream.len())).map(zone).collect();
        let members = zones
            .iter()
            .zip(local)
            .flat_map(|(zone, &hosts)| (0..hosts).map(move |_| (zone, Health::Healthy)));
        let local = LocalCluster::new(&zones[0], members);
        let upstream: Vec<Zone<'_>> = zones
            .iter()
            .zip(upstream)
            .map(|(locality, &healthy)| Zone { locality, healthy })
            .collect();
        Routing::new(&local, &zones[0], &upstream, 1)
    }

    fn residual(to_own: u64, spare: &[u64]) -> Result<Routing, Flat> {
        Ok(Routing::Residual { to_own, spare: spare.into() })
    }

    /// Z1, Z2, Z6 and Z8 to Z12.
    #[test]
    fn the_known_answers() {
        assert_eq!(routing(&[1, 1, 1], &[1, 1, 1]), Ok(Routing::Direct));
        // Of zone B nobody is left upstream.
        assert_eq!(
            routing(&[2, 2, 1, 1, 0], &[1, 0, 3, 3, 1]),
            residual(3750, &[0, 0, 2084, 4168, 5418])
        );
        assert_eq!(routing(&[45_000, 55_000], &[44_999, 55_001]), residual(9997, &[0, 0]));
        assert_eq!(routing(&[1, 1], &[1, 2]), residual(6666, &[0, 1666]));
        assert_eq!(routing(&[1, 1, 1], &[1, 2, 2]), residual(6000, &[0, 667, 1334]));
        assert_eq!(routing(&[2, 2, 2], &[1, 2, 3]), residual(4998, &[0, 0, 1667]));
        assert_eq!(routing(&[1, 1, 0], &[1, 1, 1]), residual(6666, &[0, 0, 3333]));
        assert_eq!(routing(&[4, 4, 2], &[25, 50, 25]), residual(6250, &[0, 1000, 1500]));
    }

    #[test]
    fn where_zones_are_not_looked_at() {
        assert_eq!(routing(&[1, 1], &[3]), Err(Flat::OneZone));
        assert_eq!(routing(&[1], &[3, 3]), Err(Flat::OneZone));
        assert_eq!(routing(&[0, 1, 1], &[3, 3, 3]), Err(Flat::LocalClusterNotOk));
        assert_eq!(routing(&[1, 1], &[0, 0]), Err(Flat::TooSmall));
    }

    #[test]
    fn shares_add_up() {
        for (local, upstream) in [(&[1, 1][..], &[1, 2][..]), (&[4, 4, 2], &[25, 50, 25])] {
            let routing = routing(local, upstream).expect("zones are looked at");
            let shares = routing.shares(local.len());
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
        }
    }
}
