//! What a client may cost. Frames that say nothing (PING, SETTINGS, PRIORITY) need no limit: each is
//! answered before the next one is read, so a client that floods waits for itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Bytes of a stream's answer that wait for a client which does not read. With all streams of a connection
/// (1,024 by default) that is 128 MiB at the most, less than what the client may have in flight by the
/// default windows.
pub(super) const SEND_BUFFER: usize = 128 << 10;

/// Streams that were reset before they were looked at (CVE-2023-44487). More of them in one reading of the
/// socket end the connection with ENHANCE_YOUR_CALM. A client that gives up on many calls at once stays
/// below.
pub(super) const PENDING_RESETS: usize = 128;

/// Streams that were reset here for what the client sent; more end the connection with ENHANCE_YOUR_CALM.
/// Envoy ends it at the first (`override_stream_error_on_invalid_http_message: false`).
pub(super) const STREAM_ERRORS: usize = 100;

/// A reset within this time of a stream's beginning counts as premature: Envoy's
/// `overload.premature_reset_min_stream_lifetime_seconds`.
const PREMATURE: Duration = Duration::from_secs(1);

/// From this many streams on the share of premature ones is looked at: Envoy's
/// `overload.premature_reset_total_stream_count`.
const LOOKED_AT: u32 = 500;

/// How a connection's streams ended.
#[derive(Debug, Default)]
pub(super) struct Resets {
    ended: AtomicU32,
    premature: AtomicU32,
}

impl Resets {
    /// A stream ended, in whichever way.
    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// It was reset at this age.
    pub(super) fn reset(&self, age: Duration) {
        if age < PREMATURE {
            self.premature.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the client opens streams to reset them: most of many, as in Envoy.
    pub(super) fn are_abuse(&self) -> bool {
        let ended = self.ended.load(Ordering::Relaxed);
        let premature = self.premature.load(Ordering::Relaxed);
        // Envoy also gives up early, when half of the number were reset already.
        ended.max(LOOKED_AT) / 2 < premature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_many_is_abuse() {
        let resets = Resets::default();
        let reset = |age| {
            resets.reset(age);
            resets.ended();
        };
        for _ in 0..LOOKED_AT / 2 {
            reset(Duration::ZERO);
            assert!(!resets.are_abuse());
        }
        reset(PREMATURE);
        assert!(!resets.are_abuse(), "an old stream may be given up");
        reset(Duration::ZERO);
        assert!(resets.are_abuse());
        for _ in 0..LOOKED_AT {
            resets.ended();
        }
        assert!(!resets.are_abuse(), "as long as others go on");
    }
}
