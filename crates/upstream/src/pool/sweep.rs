//! Closing connections that nobody has used for too long, or that ended meanwhile.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use super::grant::Expiry;
use super::state::State;
use crate::Quiet;

/// How often unused connections are looked at, besides when one of them runs out of time.
const ROUND: Duration = Duration::from_secs(5);
/// How long an unused connection keeps the memory that makes its next request cheap.
const REST: Duration = Duration::from_secs(1);

impl State {
    /// Closes what has outlived its time or was closed by the host. Gives the time of the next look;
    /// `None` when there is nothing to look after.
    pub(super) fn sweep(&mut self, now: Instant) -> Option<Instant> {
        let tuning = self.tuning;
        let mut next = None::<Instant>;
        let mut expired = Vec::new();
        for host in self.hosts.values_mut() {
            for idle in host.idle.iter_mut().filter(|idle| idle.since + REST <= now) {
                idle.reader.release();
                idle.life.spare = HeaderMap::new();
            }
            let mut index = 0;
            while let Some(idle) = host.idle.get(index) {
                let expiry = tuning.expiry(idle.since, &idle.life, now);
                let ended = expiry.is_none() && idle.reader.stream().quiet() == Quiet::No;
                if expiry.is_none() && !ended {
                    let ends = tuning.ends(idle.since, &idle.life);
                    next = Some(next.map_or(ends, |next| next.min(ends)));
                    index += 1;
                } else if let Some(idle) = host.idle.remove(index) {
                    host.busy += 1;
                    expired.push((idle, expiry.unwrap_or(Expiry::Ended)));
                }
            }
            host.shared.retain(|shared| {
                if shared.streams > 0 {
                    return true;
                }
                let expired = tuning.expiry(shared.since, &shared.life, now).is_some();
                let ends = tuning.ends(shared.since, &shared.life);
                if !expired {
                    next = Some(next.map_or(ends, |next| next.min(ends)));
                }
                !expired
            });
        }
        for (idle, expiry) in expired {
            let key = idle.life.key.clone();
            self.close_idle(idle, Some(expiry));
            self.tidy(&key);
        }
        self.settle();
        next.map(|next| next.min(now + ROUND))
    }
}
