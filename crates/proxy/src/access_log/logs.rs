//! The access logs of a listener.

use std::cell::RefCell;
use std::sync::Arc;

use destrier_policy::{AccessLogFilter, AccessLogPolicy, Format};

use super::capture::{Captured, Wanted};
use super::line::Line;
use super::writer::{LogWriter, Sink};
use super::{filter, render};

/// The logs of a connection manager, a TCP proxy or a listener.
pub(crate) struct AccessLogs {
    logs: Box<[Log]>,
    pub(crate) wanted: Wanted,
    /// The listener's name.
    pub(crate) listener: Arc<str>,
}

struct Log {
    format: Format,
    filter: Option<AccessLogFilter>,
    sink: Arc<Sink>,
}

thread_local! {
    /// Lines are made here, so that none is made while a buffer is locked.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl AccessLogs {
    /// Prepares the logs of a listener.
    pub(crate) fn open(
        policies: &[AccessLogPolicy],
        listener: Arc<str>,
        writer: &LogWriter,
    ) -> Self {
        let mut wanted = Wanted::default();
        for policy in policies {
            wanted.add_format(&policy.format);
            policy.filter.iter().for_each(|filter| wanted.add_filter(filter));
        }
        let logs = policies.iter().map(|log| Log {
            format: log.format.clone(),
            filter: log.filter.clone(),
            sink: writer.sink(&log.sink),
        });
        Self { logs: logs.collect(), wanted, listener }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Room for what is wanted of a request and its answer; none when nothing is.
    pub(crate) fn capture(&self) -> Option<Box<Captured>> {
        (!self.wanted.is_empty()).then(Box::default)
    }

    /// Writes the line of a request or a connection into each log whose filter lets it through.
    pub(crate) fn write(&self, line: &impl Line) {
        for Log { format, filter, sink } in &self.logs {
            if filter.as_ref().is_some_and(|filter| !filter::lets_through(filter, line)) {
                continue;
            }
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.clear();
                render::render(format, line, scratch);
                sink.write(scratch);
            });
        }
    }
}
