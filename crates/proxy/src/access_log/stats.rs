//! What is counted of access logs.

use destrier_upstream::{Counter, Stat};

/// `access_log_file.*`, as in Envoy; and the lines that are lost, of which Envoy knows nothing.
#[derive(Default)]
pub(crate) struct LogStats {
    /// Flushes since the time had come.
    pub(super) flushed_by_timer: Counter,
    /// Files that could not be opened anew.
    pub(super) reopen_failed: Counter,
    /// Lines that were put into a buffer.
    pub(super) write_buffered: Counter,
    /// Buffers that were written.
    pub(super) write_completed: Counter,
    /// Buffers that could not be written.
    pub(super) write_failed: Counter,
    /// Lines that found the buffer full, or could not be written.
    pub(super) lost: Counter,
}

impl LogStats {
    /// Calls `each(name, statistic)` with each, under its full name.
    pub(crate) fn each(&self, each: &mut dyn FnMut(&'static str, &dyn Stat)) {
        each("access_log_file.flushed_by_timer", &self.flushed_by_timer);
        each("access_log_file.reopen_failed", &self.reopen_failed);
        each("access_log_file.write_buffered", &self.write_buffered);
        each("access_log_file.write_completed", &self.write_completed);
        each("access_log_file.write_failed", &self.write_failed);
        each("destrier.access_log.lines_lost", &self.lost);
    }
}
