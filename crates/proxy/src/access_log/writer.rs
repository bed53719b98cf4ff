//! The thread that writes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use destrier_policy::AccessLogSink;
use destrier_upstream::Counter;

/// The writer is woken when so much waits (Envoy's `--file-flush-min-size-kb`, 64 KiB).
const WORTH_WRITING: usize = 64 << 10;

/// What may wait at most; lines beyond are lost.
const MOST: usize = 4 << 20;

/// A place that lines go to; the same for all logs that name it.
pub(crate) struct Sink {
    to: AccessLogSink,
    waiting: Mutex<Vec<u8>>,
    /// `None` until the first write, and after one that failed.
    file: Mutex<Option<Box<dyn Write + Send>>>,
    shared: Arc<Shared>,
}

struct Shared {
    sinks: Mutex<Vec<Arc<Sink>>>,
    state: Mutex<State>,
    wake: Condvar,
    lost: Arc<Counter>,
}

#[derive(Default)]
struct State {
    due: bool,
    stop: bool,
}

/// The writer; dropping it writes what waits.
pub(crate) struct LogWriter {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    interval: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section leaves its value whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    /// Queues one line.
    pub(super) fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST {
            self.shared.lost.inc();
            return;
        }
        let before = waiting.len();
        line(&mut waiting);
        let due = before < WORTH_WRITING && waiting.len() >= WORTH_WRITING;
        drop(waiting);
        if due {
            lock(&self.shared.state).due = true;
            self.shared.wake.notify_one();
        }
    }

    fn flush(&self) {
        let lines = std::mem::take(&mut *lock(&self.waiting));
        if lines.is_empty() {
            return;
        }
        let mut file = lock(&self.file);
        let opened = match file.take() {
            Some(open) => Ok(open),
            None => open(&self.to),
        };
        let written = opened.and_then(|mut open| {
            open.write_all(&lines)?;
            open.flush()?;
            Ok(open)
        });
        match written {
            Ok(open) => *file = Some(open),
            Err(error) => {
                let count = lines.iter().filter(|byte| **byte == b'\n').count();
                self.shared.lost.add(count as u64);
                tracing::warn!(sink = ?self.to, %error, lines = count, "access log lines are lost");
            }
        }
    }
}

fn open(sink: &AccessLogSink) -> io::Result<Box<dyn Write + Send>> {
    Ok(match sink {
        AccessLogSink::Stdout => Box::new(io::stdout()),
        AccessLogSink::Stderr => Box::new(io::stderr()),
        AccessLogSink::File(path) => {
            let file: File = OpenOptions::new().append(true).create(true).open(&**path)?;
            Box::new(file)
        }
    })
}

impl LogWriter {
    /// Lines wait `interval` at most; `lost` counts those that could not be written.
    pub(crate) fn new(interval: Duration, lost: Arc<Counter>) -> Self {
        let shared =
            Shared { sinks: Mutex::default(), state: Mutex::default(), wake: Condvar::new(), lost };
        Self { shared: Arc::new(shared), thread: Mutex::default(), interval }
    }

    /// The sink of a log; the thread starts with the first.
    pub(super) fn sink(&self, to: &AccessLogSink) -> Arc<Sink> {
        let mut sinks = lock(&self.shared.sinks);
        if let Some(known) = sinks.iter().find(|sink| sink.to == *to) {
            return Arc::clone(known);
        }
        let sink = Arc::new(Sink {
            to: to.clone(),
            waiting: Mutex::default(),
            file: Mutex::default(),
            shared: Arc::clone(&self.shared),
        });
        sinks.push(Arc::clone(&sink));
        drop(sinks);
        lock(&self.thread).get_or_insert_with(|| {
            let (shared, interval) = (Arc::clone(&self.shared), self.interval);
            std::thread::Builder::new()
                .name("access-log".into())
                .spawn(move || shared.run(interval))
                .expect("a thread can be made at start")
        });
        sink
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        self.shared.flush();
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
        self.flush();
        // Sinks and what they share hold each other.
        lock(&self.shared.sinks).clear();
    }
}

impl Shared {
    fn run(&self, interval: Duration) {
        let mut state = lock(&self.state);
        while !state.stop {
            let woken =
                self.wake.wait_timeout_while(state, interval, |state| !state.due && !state.stop);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.due = false;
            drop(state);
            self.flush();
            state = lock(&self.state);
        }
    }

    fn flush(&self) {
        let sinks = lock(&self.sinks).clone();
        sinks.iter().for_each(|sink| sink.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_file_and_a_place_that_cannot_be_written_is_counted() {
        let path = std::env::temp_dir().join(format!("access-log-{}", std::process::id()));
        let lost = Arc::new(Counter::default());
        let writer = LogWriter::new(Duration::from_secs(3600), Arc::clone(&lost));
        let file = AccessLogSink::File(path.to_str().expect("a plain path").into());
        let sink = writer.sink(&file);
        assert!(Arc::ptr_eq(&sink, &writer.sink(&file)));
        sink.write(|line| line.extend_from_slice(b"one\n"));
        sink.write(|line| line.extend_from_slice(b"two\n"));
        writer.sink(&AccessLogSink::File("/dev/null/no".into())).write(|line| {
            line.extend_from_slice(b"gone\n");
        });
        drop(writer);
        let written = std::fs::read_to_string(&path).expect("the file was made");
        std::fs::remove_file(&path).expect("it was there");
        assert_eq!(written, "one\ntwo\n");
        assert_eq!(lost.get(), 1);
    }
}
