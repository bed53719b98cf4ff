//! Finds the end of a head or a trailer section, one pass over each byte however it arrives.

use memchr::memchr_iter;

use crate::HeadLimits;

/// How far a head has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    seen: usize,
    line_ends: usize,
}

/// What a [`Scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The empty line has not come yet.
    Incomplete,
    /// The section is this long, with its empty line, and has this many lines before that.
    Complete { len: usize, lines: usize },
}

/// Why a [`Scan`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanError {
    BareLineFeed,
    TooLarge,
    TooManyLines,
}

impl Scan {
    /// Looks at what was added to `buf` since the last call. `max_lines` leaves out the empty line.
    pub(crate) fn advance(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        max_lines: usize,
    ) -> Result<Scanned, ScanError> {
        let from = self.seen;
        for at in memchr_iter(b'\n', &buf[from..]).map(|at| from + at) {
            if at == 0 || buf[at - 1] != b'\r' {
                return Err(ScanError::BareLineFeed);
            }
            if at >= limits.max_bytes {
                return Err(ScanError::TooLarge);
            }
            if at == 1 || buf[..at - 1].ends_with(b"\r\n") {
                let lines = self.line_ends;
                *self = Self::default();
                return Ok(Scanned::Complete { len: at + 1, lines });
            }
            self.line_ends += 1;
            if self.line_ends > max_lines {
                return Err(ScanError::TooManyLines);
            }
        }
        self.seen = buf.len();
        if buf.len() >= limits.max_bytes {
            return Err(ScanError::TooLarge);
        }
        Ok(Scanned::Incomplete)
    }
}
