//! Whether a request that failed may be sent once more, by the pool's own rules (not the route's).

use http::Method;

use crate::ForwardError;

/// A request without a response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ForwardError,
    pub(crate) again: Again,
}

/// Whether the host may have seen the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It may have acted upon it.
    Never,
    /// It has most likely not: a connection that was idle ended with the request under way. Harmless to
    /// repeat when the method is idempotent (RFC 9110, 9.2.2; RFC 9112, 9.3.1).
    Idempotent,
    /// It has certainly not.
    Always,
}

impl From<ForwardError> for Failure {
    fn from(error: ForwardError) -> Self {
        Self { error, again: Again::Never }
    }
}

impl Again {
    pub(crate) fn allows(self, method: &Method) -> bool {
        match self {
            Self::Never => false,
            Self::Idempotent => method.is_idempotent(),
            Self::Always => true,
        }
    }
}
