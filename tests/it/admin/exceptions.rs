//! What of Envoy's admin interface is not here, and why. A line that excuses nothing fails the test.

/// Why something is not as recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// It comes with this.
    Waits(&'static str),
    /// It stays as it is.
    Departs(&'static str),
}

use Why::{Departs, Waits};

/// Whole answers, by the end of `<phase> <method> <path>`.
pub(crate) const PAGES: &[(&str, Why)] = &[];

/// Keys, by a part of `<phase> <method> <path>` and a pattern over the key, which begins with `-` where
/// we lack it and with `+` where Envoy does.
pub(crate) const KEYS: &[(&str, &str, Why)] = &[];
