//! `ORIGINAL_DST`: the hosts of a cluster are the addresses that its clients meant.
//!
//! A host is made when it is first asked for, and goes when for a whole `cleanup_interval` nobody used it
//! and no connection to it is left. Workers make hosts without a lock; that there is a new one is told to
//! the manager, which shows it with the cluster.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use destrier_policy::{
    Address, Endpoint, EndpointSet, HealthStatus, Locality, LocalityEndpoints, OriginalDstOptions,
};
use http::Request;

use crate::HostState;
use crate::hash::FastHash;

/// Where a request or a connection is to go. `original` is where the client's connection was to go before
/// it was redirected to the proxy.
///
/// A header that names no address counts as an error and is passed over, as in Envoy.
pub(crate) fn destination<B>(
    options: &OriginalDstOptions,
    request: Option<&Request<B>>,
    original: Option<SocketAddr>,
    count_invalid: impl FnOnce(),
) -> Option<SocketAddr> {
    let header = options.header.as_ref().zip(request);
    let named = header.and_then(|(name, request)| request.headers().get(name)).and_then(|value| {
        let address = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        if address.is_none() {
            count_invalid();
        }
        address
    });
    let mut destination: SocketAddr = named.or(original)?;
    if let Some(port) = options.port {
        destination.set_port(port);
    }
    Some(destination)
}

/// The hosts of one cluster.
#[derive(Debug, Default)]
pub(crate) struct OnDemand {
    hosts: ArcSwap<Hosts>,
}

type Hosts = HashMap<Address, Arc<Entry>, FastHash>;

#[derive(Debug)]
struct Entry {
    state: Arc<HostState>,
    /// Since the last sweep.
    used: AtomicBool,
}

/// Whether a host was there before it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Known,
    First,
}

impl OnDemand {
    /// The host at an address.
    pub(crate) fn host(&self, address: SocketAddr) -> (Arc<HostState>, Sight) {
        let address = Address::Ip(address);
        if let Some(entry) = self.hosts.load().get(&address) {
            return (entry.take(), Sight::Known);
        }
        let state = Arc::new(HostState::new(address.clone()));
        let new = Arc::new(Entry { state, used: AtomicBool::new(true) });
        self.hosts.rcu(|hosts| {
            let mut hosts = Hosts::clone(hosts);
            // Another worker may have been faster.
            hosts.entry(address.clone()).or_insert_with(|| Arc::clone(&new));
            hosts
        });
        let hosts = self.hosts.load();
        (hosts.get(&address).unwrap_or(&new).take(), Sight::First)
    }

    /// All of them.
    pub(crate) fn states(&self) -> Vec<Arc<HostState>> {
        self.hosts.load().values().map(|entry| Arc::clone(&entry.state)).collect()
    }

    /// As if a control plane had assigned them, in the order of their addresses.
    pub(crate) fn endpoints(&self) -> EndpointSet {
        let mut addresses: Vec<Address> = self.hosts.load().keys().cloned().collect();
        addresses.sort_unstable();
        let endpoint = |address| Endpoint {
            address,
            hostname: "".into(),
            weight: 1,
            health: HealthStatus::Unknown,
            metadata: Arc::default(),
        };
        let group = LocalityEndpoints {
            locality: Locality::default(),
            priority: 0,
            weight: None,
            endpoints: addresses.into_iter().map(endpoint).collect(),
        };
        EndpointSet { localities: Box::from([group]), ..EndpointSet::default() }
    }

    /// Drops those that were not used since the last sweep and to which no connection is left. Whether
    /// there were any.
    pub(crate) fn sweep(&self, is_connected: impl Fn(&Address) -> bool) -> bool {
        let before = self.hosts.load();
        let is_idle = |entry: &Entry| {
            !entry.used.swap(false, Ordering::Relaxed)
                && entry.state.active_requests() == 0
                && !is_connected(entry.state.address())
        };
        let idle: Vec<&Address> =
            before.iter().filter(|(_, entry)| is_idle(entry)).map(|(address, _)| address).collect();
        if idle.is_empty() {
            return false;
        }
        self.hosts.rcu(|hosts| {
            let mut hosts = Hosts::clone(hosts);
            for address in &idle {
                // One that was used meanwhile stays.
                if hosts.get(*address).is_some_and(|entry| !entry.used.load(Ordering::Relaxed)) {
                    hosts.remove(*address);
                }
            }
            hosts
        });
        true
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.load().is_empty()
    }
}

impl Entry {
    fn take(&self) -> Arc<HostState> {
        self.used.store(true, Ordering::Relaxed);
        Arc::clone(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http::HeaderName;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_header_outranks_the_connection_where_it_is_allowed() {
        let invalid = Cell::new(0);
        let mut options = OriginalDstOptions::default();
        let original = Some(address("10.0.0.1:80"));
        let request = |value: &str| {
            Request::builder().header("x-envoy-original-dst-host", value).body(()).expect("valid")
        };
        let to = |options: &OriginalDstOptions, request: Option<&Request<()>>, original| {
            let found = destination(options, request, original, || invalid.set(invalid.get() + 1));
            found.map(|address| address.to_string())
        };
        let named = request("10.0.0.2:81");
        assert_eq!(to(&options, Some(&named), original).as_deref(), Some("10.0.0.1:80"));
        options.header = Some(HeaderName::from_static("x-envoy-original-dst-host"));
        assert_eq!(to(&options, Some(&named), original).as_deref(), Some("10.0.0.2:81"));
        assert_eq!(to(&options, Some(&request("[::1]:9")), None).as_deref(), Some("[::1]:9"));
        assert_eq!(to(&options, None, original).as_deref(), Some("10.0.0.1:80"));
        assert_eq!((to(&options, None, None), invalid.get()), (None, 0));
        for wrong in ["nowhere:80", "10.0.0.2", ""] {
            assert_eq!(
                to(&options, Some(&request(wrong)), original).as_deref(),
                Some("10.0.0.1:80")
            );
        }
        assert_eq!(invalid.get(), 3);
        options.port = Some(8080);
        assert_eq!(to(&options, Some(&named), original).as_deref(), Some("10.0.0.2:8080"));
    }

    #[test]
    fn hosts_stay_while_they_are_used_or_connected() {
        let hosts = OnDemand::default();
        let at = |text: &str| hosts.host(address(text));
        let (first, sight) = at("10.0.0.1:80");
        assert_eq!(sight, Sight::First);
        let (again, sight) = at("10.0.0.1:80");
        assert!(sight == Sight::Known && Arc::ptr_eq(&first, &again));
        at("10.0.0.2:80");
        at("10.0.0.3:80");
        assert!(!hosts.sweep(|_| false), "all were used");
        at("10.0.0.3:80");
        let request = first.begin_request();
        assert!(hosts.sweep(|_| false));
        let left = |hosts: &OnDemand| {
            let endpoints = hosts.endpoints();
            endpoints.iter().map(|(_, host)| host.address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(left(&hosts), ["10.0.0.1:80", "10.0.0.3:80"]);
        drop(request);
        let third = Address::from(address("10.0.0.3:80"));
        assert!(hosts.sweep(|address| *address == third));
        assert_eq!(left(&hosts), ["10.0.0.3:80"]);
        assert!(hosts.sweep(|_| false) && hosts.is_empty());
    }

    #[test]
    fn of_many_that_ask_at_once_all_get_one_host() {
        let hosts = OnDemand::default();
        let states: Vec<_> = std::thread::scope(|scope| {
            let ask = || hosts.host(address("10.0.0.1:80")).0;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
        });
        assert!(states.iter().all(|state| Arc::ptr_eq(state, &hosts.states()[0])));
    }
}
