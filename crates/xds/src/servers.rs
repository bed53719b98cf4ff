//! Several control planes in the order in which they are preferred (gRFC A71).

use std::time::{Duration, Instant};

use rand::Rng;

use crate::{
    Backoff, Variant,
    backoff::{Ended, Retry},
};

/// Which server is spoken to, and whether a better one is back.
///
/// The next one is taken when there is no stream and something that is asked for was never received; as
/// soon as a better one sends a message it takes over. What two servers send is never mixed: the first
/// answer of a new one is the whole.
#[derive(Debug)]
pub(crate) struct Servers {
    each: Vec<Server>,
    active: usize,
    probe: Probe,
    /// The better server that is tried next.
    next: usize,
    retry: Retry,
}

#[derive(Debug)]
struct Server {
    variant: Variant,
    /// It has sent a message.
    answered: bool,
}

/// The attempt at a better server than the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Waiting { until: Option<Instant> },
    Running { server: usize },
}

impl Servers {
    pub(crate) fn new(count: usize, variant: Variant, backoff: Backoff) -> Self {
        let server = || Server { variant, answered: false };
        Self {
            each: std::iter::repeat_with(server).take(count.max(1)).collect(),
            active: 0,
            probe: Probe::Waiting { until: None },
            next: 0,
            retry: Retry::new(backoff),
        }
    }

    pub(crate) fn active(&self) -> usize {
        self.active
    }

    pub(crate) fn variant(&self) -> Variant {
        self.each[self.active].variant
    }

    /// The active server has sent a message.
    pub(crate) fn note_answer(&mut self) {
        self.each[self.active].answered = true;
    }

    /// A server that has answered in delta does not lack it: a 404 of some proxy before it also reads as
    /// `UNIMPLEMENTED`. Otherwise it is spoken to in state of the world from now on.
    pub(crate) fn give_delta_up(&mut self) -> bool {
        give_delta_up(&mut self.each[self.active])
    }

    /// Takes the next server, or the first one again behind the last. Says whether it is a worse one.
    pub(crate) fn fall_back(&mut self, now: Instant, rng: &mut impl Rng) -> bool {
        self.active = (self.active + 1) % self.each.len();
        self.next = 0;
        self.rest(now, rng);
        self.active > 0
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.each.len() == 1
    }

    /// Which better server is to be tried now.
    pub(crate) fn poll_probe(&mut self, now: Instant) -> Option<(usize, Variant)> {
        let Probe::Waiting { until } = self.probe else { return None };
        if self.active == 0 || until.is_some_and(|until| until > now) {
            return None;
        }
        let server = self.next % self.active;
        self.next = server + 1;
        self.probe = Probe::Running { server };
        Some((server, self.each[server].variant))
    }

    /// The server of the running probe.
    pub(crate) fn probed(&self) -> Option<(usize, Variant)> {
        match self.probe {
            Probe::Running { server } => Some((server, self.each[server].variant)),
            Probe::Waiting { .. } => None,
        }
    }

    /// The probe ended without a message.
    pub(crate) fn handle_probe_closed(
        &mut self,
        lacks_delta: bool,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let Probe::Running { server } = self.probe else { return };
        if lacks_delta && give_delta_up(&mut self.each[server]) {
            self.next = server;
            self.probe = Probe::Waiting { until: None };
        } else {
            self.rest(now, rng);
        }
    }

    /// The probed server takes over.
    pub(crate) fn adopt_probe(&mut self, now: Instant, rng: &mut impl Rng) {
        let Probe::Running { server } = self.probe else { return };
        self.active = server;
        self.next = 0;
        self.retry.reset();
        self.rest(now, rng);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.probe {
            Probe::Waiting { until } if self.active > 0 => until,
            _ => None,
        }
    }

    fn rest(&mut self, now: Instant, rng: &mut impl Rng) {
        let delay: Duration = self.retry.delay(Ended::Unanswered, now, rng);
        self.probe = Probe::Waiting { until: Some(now + delay) };
    }
}

fn give_delta_up(server: &mut Server) -> bool {
    let lacks = server.variant == Variant::Delta && !server.answered;
    if lacks {
        server.variant = Variant::Sotw;
    }
    lacks
}
