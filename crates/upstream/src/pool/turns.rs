//! Tests of the pool's decisions, without waiting for anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use destrier_policy::{Address, ClusterName, ClusterPolicy};
use http::HeaderMap;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::grant::{Grant, Step, Tuning};
use super::host::Life;
use super::state::State;
use super::{Key, Protocol, TransportKey};
use crate::breakers::{Breakers, Limits};
use crate::h1::Reader;
use crate::{ForwardError, HostState, Limit, Stream};

/// A pool with limits that a test changes.
struct Bench {
    state: State,
    breakers: Breakers,
    /// The far ends of the connections, which keep quiet.
    far: Vec<UnixStream>,
}

impl Bench {
    fn new(connections: u32, pending: u32) -> Self {
        let breakers = Breakers::default();
        let tuning = Tuning::of(&ClusterPolicy::new(ClusterName::from("test")));
        let state = State::new(breakers.of(Default::default()).clone(), tuning);
        let mut bench = Self { state, breakers, far: Vec::new() };
        bench.limit(connections, pending);
        bench
    }

    fn limit(&mut self, connections: u32, pending: u32) {
        let mut limits = destrier_policy::CircuitBreakers::default();
        limits.thresholds[0].max_connections = connections;
        limits.thresholds[0].max_pending_requests = pending;
        self.breakers.set_limits(&limits);
        self.state.settle();
    }

    fn limits(&self) -> &Limits {
        self.breakers.of(Default::default())
    }

    fn poll(&mut self, key: &Key, ticket: u64) -> Poll<Step> {
        self.state.poll_ticket(key, ticket, &mut Context::from_waker(Waker::noop()))
    }

    fn connection(&mut self, key: &Key) -> (Reader, Box<Life>) {
        let (near, far) = UnixStream::pair().expect("the system gives sockets");
        self.far.push(far);
        let life = Life {
            key: key.clone(),
            host: Arc::new(HostState::new(key.address.clone())),
            opened: Instant::now(),
            local: None,
            home: 0,
            fresh: true,
            served: 0,
            epoch: 0,
            spare: HeaderMap::new(),
        };
        (Reader::new(Arc::new(Stream::Unix(near))), Box::new(life))
    }

    fn opened(&mut self, key: &Key) {
        let (reader, life) = self.connection(key);
        self.state.opened(1, reader, life, Instant::now());
    }
}

fn key(host: u16) -> Key {
    let address = Address::Ip(SocketAddr::from(([127, 0, 0, 1], host)));
    Key { address, protocol: Protocol::Http1, transport: TransportKey::Raw }
}

fn is_open(step: Poll<Step>) -> bool {
    matches!(step, Poll::Ready(Step::Open(1)))
}

fn exclusive(step: Poll<Step>) -> Option<(Reader, Box<Life>)> {
    match step {
        Poll::Ready(Step::Granted(Grant::Exclusive(reader, life))) => Some((reader, life)),
        _ => None,
    }
}

/// Found by the stress test: the attempt of the first was abandoned with its runtime, and the right to open
/// a connection was given to the second, which had one.
#[tokio::test]
async fn an_abandoned_attempt_is_begun_anew_by_one_that_has_none() {
    let mut bench = Bench::new(2, 10);
    let key = key(1);
    let first = bench.state.enqueue(&key).expect("it may wait");
    assert!(is_open(bench.poll(&key, first)));
    let second = bench.state.enqueue(&key).expect("it may wait");
    bench.state.open_abandoned(&key, 1);
    assert!(is_open(bench.poll(&key, first)) && is_open(bench.poll(&key, second)));
    assert_eq!(bench.limits().connections.used(), 2);
    bench.state.open_abandoned(&key, 1);
    bench.state.open_abandoned(&key, 1);
    assert!(is_open(bench.poll(&key, first)) && is_open(bench.poll(&key, second)));
    assert_eq!(bench.limits().connections.used(), 2);
}

/// design 6: a connection that frees goes to the oldest request that waits for its host; when the oldest
/// wants another host, it is closed and its permit passed on.
#[tokio::test]
async fn the_oldest_request_has_its_turn() {
    let mut bench = Bench::new(1, 10);
    let (a, b) = (key(1), key(2));
    let holder = bench.state.enqueue(&a).expect("it may wait");
    assert!(is_open(bench.poll(&a, holder)));
    bench.opened(&a);
    let (reader, life) = exclusive(bench.poll(&a, holder)).expect("it is open");
    let first = bench.state.enqueue(&a).expect("it may wait");
    let second = bench.state.enqueue(&b).expect("it may wait");
    let third = bench.state.enqueue(&a).expect("it may wait");

    bench.state.freed(reader, life, Instant::now());
    let (reader, life) = exclusive(bench.poll(&a, first)).expect("it waits for this host");
    bench.state.freed(reader, life, Instant::now());
    assert!(bench.poll(&a, third).is_pending());
    assert!(is_open(bench.poll(&b, second)), "the permit was passed on");
    bench.opened(&b);
    let (reader, life) = exclusive(bench.poll(&b, second)).expect("it is open");
    bench.state.freed(reader, life, Instant::now());
    assert!(is_open(bench.poll(&a, third)));
    assert_eq!(bench.limits().connections.used(), 1);
}

/// `max_connections: 0`: nobody waits for what cannot come, also when the limit is lowered under a request
/// that waits.
#[tokio::test]
async fn without_connections_nobody_waits_without_end() {
    let mut bench = Bench::new(0, 10);
    let key = key(1);
    assert_eq!(bench.state.enqueue(&key), Err(Limit::Connections));

    bench.limit(1, 10);
    let holder = bench.state.enqueue(&key).expect("it may wait");
    assert!(is_open(bench.poll(&key, holder)));
    let second = bench.state.enqueue(&key).expect("it may wait");
    bench.limit(0, 10);
    assert!(bench.poll(&key, second).is_pending(), "the connection that is opened may serve it");
    bench.opened(&key);
    let (reader, life) = exclusive(bench.poll(&key, holder)).expect("it is open");
    drop(reader);
    bench.state.closed(&life.key);
    let refused = bench.poll(&key, second);
    let Poll::Ready(Step::Granted(Grant::Failed(error))) = refused else {
        panic!("it waits for nothing");
    };
    assert_eq!(error, ForwardError::Overflow(Limit::Connections));
    bench.state.decided();
    assert_eq!((bench.limits().connections.used(), bench.limits().pending.used()), (0, 0));
}

/// Any order of events: what is counted is what there is, and nobody waits beside a free permit.
#[tokio::test]
async fn whatever_happens_no_permit_is_lost() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bench = Bench::new(random.random_range(1..4), random.random_range(1..6));
        let mut waiting: Vec<(Key, u64)> = Vec::new();
        let mut opening: Vec<Key> = Vec::new();
        let mut held: Vec<(Reader, Box<Life>)> = Vec::new();
        for _ in 0..200 {
            let key = key(random.random_range(1..4));
            let now = Instant::now();
            match random.random_range(0..12) {
                0..4 => match bench.state.take_idle(&key, 0, now) {
                    Some(taken) => held.push(taken),
                    None => waiting.extend(bench.state.enqueue(&key).map(|ticket| (key, ticket))),
                },
                4..6 if !held.is_empty() => {
                    let (reader, life) = held.swap_remove(random.random_range(0..held.len()));
                    bench.state.freed(reader, life, now);
                }
                6 if !held.is_empty() => {
                    let (reader, life) = held.swap_remove(random.random_range(0..held.len()));
                    drop(reader);
                    bench.state.closed(&life.key);
                }
                7..10 if !opening.is_empty() => {
                    let key = opening.swap_remove(random.random_range(0..opening.len()));
                    match random.random_range(0..4) {
                        0 => bench.state.open_failed(&key, 1, &ForwardError::ConnectTimeout),
                        1 => bench.state.open_abandoned(&key, 1),
                        _ => bench.opened(&key),
                    }
                }
                10 if !waiting.is_empty() => {
                    let at = random.random_range(0..waiting.len());
                    let (key, ticket) = waiting.swap_remove(at);
                    if let Some(Grant::Exclusive(reader, life)) = bench.state.give_up(&key, ticket)
                    {
                        held.push((reader, life));
                    }
                }
                11 => {
                    bench.limit(random.random_range(1..4), random.random_range(1..6));
                    if random.random_ratio(1, 4) {
                        bench.state.retire(|retired| *retired == key);
                    }
                }
                _ => {}
            }
            waiting.retain(|(key, ticket)| match bench.poll(key, *ticket) {
                Poll::Pending => true,
                Poll::Ready(Step::Open(_)) => {
                    opening.push(key.clone());
                    true
                }
                Poll::Ready(Step::Granted(Grant::Exclusive(reader, life))) => {
                    held.push((reader, life));
                    false
                }
                Poll::Ready(Step::Granted(_)) => false,
            });
            bench.state.decided();
            let idle: usize = bench.state.hosts.values().map(|host| host.idle.len()).sum();
            let connections = &bench.limits().connections;
            assert_eq!(connections.used() as usize, idle + opening.len() + held.len(), "{seed}");
            let starved = bench.limits().pending.used() as usize;
            assert!(starved <= waiting.len(), "{seed}");
            if starved > 0 {
                assert!(connections.used() >= connections.limit() && idle == 0, "{seed}");
            }
        }
    }
}
