//! The threads that write.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use destrier_policy::AccessLogSink;

use super::stats::LogStats;

/// The thread is woken when so much waits (Envoy's `--file-flush-min-size-kb`, 64 KiB).
const WORTH_WRITING: usize = 64 << 10;

/// What may wait at most; lines beyond are lost.
const MOST: usize = 4 << 20;

/// How long a flush waits for a place that takes nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Opens logs, and writes their lines; dropping it writes what waits, as far as that can be written.
pub(crate) struct LogWriter {
    sinks: Mutex<Vec<Arc<Sink>>>,
    interval: Duration,
    stats: Arc<LogStats>,
}

/// A place that lines go to, the same for all logs that name it. A thread of its own writes to it, so that
/// one that is stuck keeps no other waiting.
pub(crate) struct Sink {
    to: AccessLogSink,
    state: Mutex<State>,
    /// There is something for the thread to do.
    wake: Condvar,
    /// The thread has done it.
    done: Condvar,
    stats: Arc<LogStats>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Flushes that were asked for, and those that are done.
    asked: u64,
    flushed: u64,
    reopen: bool,
    stop: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section leaves its value whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogWriter {
    /// Lines wait `interval` at most.
    pub(crate) fn new(interval: Duration, stats: Arc<LogStats>) -> Self {
        Self { sinks: Mutex::default(), interval, stats }
    }

    /// The sink of a log; its thread starts with it.
    pub(super) fn sink(&self, to: &AccessLogSink) -> Arc<Sink> {
        let mut sinks = lock(&self.sinks);
        if let Some(known) = sinks.iter().find(|sink| sink.to == *to) {
            return Arc::clone(known);
        }
        let sink = Arc::new(Sink {
            to: to.clone(),
            state: Mutex::default(),
            wake: Condvar::new(),
            done: Condvar::new(),
            stats: Arc::clone(&self.stats),
        });
        sinks.push(Arc::clone(&sink));
        let (own, interval) = (Arc::clone(&sink), self.interval);
        // Not joined: it may be stuck in a write for ever.
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || own.run(interval))
            .expect("a thread can be made at start");
        sink
    }

    /// Writes what waits. A place that takes nothing is not waited for.
    pub(crate) fn flush(&self) {
        let sinks = lock(&self.sinks).clone();
        // All at once, and then each.
        let asked: Vec<_> = sinks.iter().map(|sink| sink.ask(|_| {})).collect();
        sinks.iter().zip(asked).for_each(|(sink, asked)| sink.wait_for(asked));
    }

    /// Opens each file anew before its next line: it was moved away, say.
    pub(crate) fn reopen(&self) {
        lock(&self.sinks).iter().for_each(|sink| {
            sink.ask(|state| state.reopen = true);
        });
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let sinks = std::mem::take(&mut *lock(&self.sinks));
        let asked: Vec<_> = sinks.iter().map(|sink| sink.ask(|state| state.stop = true)).collect();
        sinks.iter().zip(asked).for_each(|(sink, asked)| sink.wait_for(asked));
    }
}

impl Sink {
    /// Queues one line.
    pub(super) fn write(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        let before = state.waiting.len();
        if before + line.len() > MOST {
            drop(state);
            self.stats.lost.inc();
            return;
        }
        state.waiting.extend_from_slice(line);
        let due = before < WORTH_WRITING && before + line.len() >= WORTH_WRITING;
        if due {
            state.asked += 1;
        }
        drop(state);
        self.stats.write_buffered.inc();
        if due {
            self.wake.notify_one();
        }
    }

    /// Asks for a flush: its number.
    fn ask(&self, change: impl FnOnce(&mut State)) -> u64 {
        let mut state = lock(&self.state);
        change(&mut state);
        state.asked += 1;
        let asked = state.asked;
        drop(state);
        self.wake.notify_one();
        asked
    }

    fn wait_for(&self, asked: u64) {
        let state = lock(&self.state);
        let waited = self.done.wait_timeout_while(state, PATIENCE, |state| state.flushed < asked);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::warn!(sink = ?self.to, "an access log takes nothing; its last lines are lost");
        }
    }

    /// The thread.
    fn run(&self, interval: Duration) {
        let mut file = None;
        // Two buffers take turns, so that each is made once.
        let mut lines = Vec::new();
        loop {
            let state = lock(&self.state);
            let idle = |state: &mut State| state.asked == state.flushed;
            let (mut state, waited) = self
                .wake
                .wait_timeout_while(state, interval, idle)
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.waiting, &mut lines);
            let asked = state.asked;
            let reopen = std::mem::take(&mut state.reopen);
            let stop = state.stop;
            drop(state);
            if waited.timed_out() && !lines.is_empty() {
                self.stats.flushed_by_timer.inc();
            }
            self.flush(&mut file, &lines, reopen);
            lines.clear();
            // A burst should not be paid for ever.
            lines.shrink_to(2 * WORTH_WRITING);
            lock(&self.state).flushed = asked;
            self.done.notify_all();
            if stop {
                return;
            }
        }
    }

    fn flush(&self, file: &mut Option<Box<dyn Write>>, lines: &[u8], reopen: bool) {
        if reopen {
            *file = None;
        }
        if lines.is_empty() {
            return;
        }
        let written = self.open(file).and_then(|file| {
            file.write_all(lines)?;
            file.flush()
        });
        match written {
            Ok(()) => self.stats.write_completed.inc(),
            Err(error) => {
                *file = None;
                let count = lines.iter().filter(|byte| **byte == b'\n').count();
                self.stats.write_failed.inc();
                self.stats.lost.add(count as u64);
                tracing::warn!(sink = ?self.to, %error, lines = count, "access log lines are lost");
            }
        }
    }

    fn open<'a>(&self, file: &'a mut Option<Box<dyn Write>>) -> io::Result<&'a mut Box<dyn Write>> {
        if file.is_none() {
            *file = Some(open(&self.to).inspect_err(|_| self.stats.reopen_failed.inc())?);
        }
        file.as_mut().ok_or_else(|| io::Error::other("not open"))
    }
}

fn open(sink: &AccessLogSink) -> io::Result<Box<dyn Write>> {
    Ok(match sink {
        AccessLogSink::Stdout => Box::new(io::stdout()),
        AccessLogSink::Stderr => Box::new(io::stderr()),
        AccessLogSink::File(path) => {
            Box::new(OpenOptions::new().append(true).create(true).open(&**path)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Instant;

    use super::*;

    /// A directory that goes away.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("there is room");
            Self(path)
        }

        fn sink(&self, name: &str) -> AccessLogSink {
            AccessLogSink::File(self.0.join(name).to_str().expect("a plain path").into())
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // Left behind it harms nobody.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const NEVER: Duration = Duration::from_secs(3600);

    fn writer(interval: Duration) -> (LogWriter, Arc<LogStats>) {
        let stats = Arc::new(LogStats::default());
        (LogWriter::new(interval, Arc::clone(&stats)), stats)
    }

    /// Waits for a condition, with an end.
    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        #[expect(clippy::disallowed_methods, reason = "the end of a wait for another thread")]
        let until = Instant::now() + Duration::from_secs(20);
        while !holds() {
            #[expect(clippy::disallowed_methods, reason = "the end of a wait for another thread")]
            let now = Instant::now();
            assert!(now < until, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn lines_reach_the_file_and_a_place_that_cannot_be_written_is_counted() {
        let scratch = Scratch::new("log-writer-reach");
        let (writer, stats) = writer(NEVER);
        let sink = writer.sink(&scratch.sink("a"));
        assert!(Arc::ptr_eq(&sink, &writer.sink(&scratch.sink("a"))), "one writer for one file");
        sink.write(b"one\n");
        sink.write(b"two\n");
        writer.sink(&AccessLogSink::File("/dev/null/no".into())).write(b"gone\n");
        drop(writer);
        assert_eq!(scratch.read("a"), "one\ntwo\n");
        assert_eq!(stats.lost.get(), 1);
        assert_eq!(stats.write_buffered.get(), 3);
        assert_eq!(stats.write_completed.get(), 1);
        assert_eq!(stats.write_failed.get(), 1);
        assert_eq!(stats.reopen_failed.get(), 1);
        assert_eq!(stats.flushed_by_timer.get(), 0);
    }

    #[test]
    fn lines_are_written_when_their_time_has_come() {
        let scratch = Scratch::new("log-writer-timer");
        let (writer, stats) = writer(Duration::from_millis(5));
        writer.sink(&scratch.sink("a")).write(b"one\n");
        eventually("it is written", || scratch.read("a") == "one\n");
        eventually("it is counted", || stats.flushed_by_timer.get() == 1);
    }

    #[test]
    fn enough_lines_are_written_at_once() {
        let scratch = Scratch::new("log-writer-enough");
        let (writer, _) = writer(NEVER);
        let line = [b'x'; 1024];
        let sink = writer.sink(&scratch.sink("a"));
        (0..64).for_each(|_| sink.write(&line));
        eventually("64 KiB are written", || scratch.read("a").len() == 64 << 10);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_when_asked() {
        let scratch = Scratch::new("log-writer-reopen");
        let (writer, _) = writer(NEVER);
        let sink = writer.sink(&scratch.sink("a"));
        sink.write(b"one\n");
        writer.flush();
        std::fs::rename(scratch.0.join("a"), scratch.0.join("b")).expect("it was written");
        sink.write(b"two\n");
        writer.flush();
        assert_eq!(scratch.read("b"), "one\ntwo\n", "the file is the one that was opened");
        writer.reopen();
        sink.write(b"three\n");
        writer.flush();
        assert_eq!(scratch.read("a"), "three\n");
    }

    fn fifo(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is everywhere");
    }

    /// Opening a FIFO that nobody reads never returns.
    #[test]
    fn a_place_that_takes_nothing_loses_lines_and_keeps_nobody_waiting() {
        let scratch = Scratch::new("log-writer-stuck");
        fifo(&scratch.0.join("stuck"));
        let (writer, stats) = writer(NEVER);
        let stuck = writer.sink(&scratch.sink("stuck"));
        let sound = writer.sink(&scratch.sink("sound"));
        let line = [b'x'; 64 << 10];
        // Twice what may wait: the thread holds at most as much as the buffer.
        for _ in 0..2 * MOST / line.len() + 2 {
            stuck.write(&line);
        }
        assert!(stats.lost.get() > 0, "lines that find the buffer full are counted");
        sound.write(b"sound\n");
        // Bounded by the patience, whatever the FIFO does.
        writer.flush();
        assert_eq!(scratch.read("sound"), "sound\n", "one place that is stuck holds up no other");
        drop(writer);
        // Whoever reads at last gets what had waited.
        let mut reader = std::fs::File::open(scratch.0.join("stuck")).expect("the thread is there");
        let mut first = [0; 64 << 10];
        std::io::Read::read_exact(&mut reader, &mut first).expect("lines had waited");
        assert_eq!(first, line);
    }
}
