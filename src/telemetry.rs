//! The agent's own log: levels by component under Envoy's names, changeable while it runs.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use destrier_admin::{LogLevelError, LogLevels};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::args::{ComponentLevels, LogLevel};

/// A logger under Envoy's name.
struct Logger {
    name: &'static str,
    /// The targets that it switches. Of two that match, the longer one counts.
    targets: &'static [&'static str],
    whose: Whose,
}

/// Dependencies are asked only for what is wrong, unless somebody names their logger.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Dependency,
}

/// Envoy's loggers that have a counterpart here; the rest of its seventy have none and are not known.
/// `misc` is whatever no other logger names.
const LOGGERS: &[Logger] = &[
    ours("admin", &["destrier_admin"]),
    ours("config", &["destrier_control", "destrier_xds", "destrier::control"]),
    ours("conn_handler", &["destrier_proxy::listener"]),
    ours("connection", &["destrier_proxy::connection", "destrier_upstream::connect"]),
    ours("dns", &["destrier::dns"]),
    ours("file", &["destrier_proxy::access_log"]),
    ours("filter", &["destrier_proxy::tcp"]),
    Logger { name: "grpc", targets: &["tonic"], whose: Whose::Dependency },
    ours("http", &["destrier_proxy"]),
    Logger { name: "http2", targets: &["h2", "hyper"], whose: Whose::Dependency },
    ours("main", &["destrier", "destrier_mock_xds"]),
    Logger { name: "misc", targets: &[], whose: Whose::Dependency },
    ours("pool", &["destrier_upstream::pool"]),
    ours("router", &["destrier_proxy::stack"]),
    ours("upstream", &["destrier_upstream"]),
];

const fn ours(name: &'static str, targets: &'static [&'static str]) -> Logger {
    Logger { name, targets, whose: Whose::Ours }
}

/// The level of each logger, and the filter that obeys them.
pub struct Levels {
    /// One for each of [`LOGGERS`].
    levels: Mutex<Vec<LogLevel>>,
    /// `None` when no log was started.
    filter: Option<reload::Handle<Targets, Registry>>,
}

impl Levels {
    /// Levels that are only remembered: no log was started.
    pub fn new(level: LogLevel, components: &ComponentLevels) -> Self {
        let level_of = |logger: &Logger| {
            let named = components.0.iter().rev().find(|(name, _)| name == logger.name);
            match named {
                Some((_, level)) => *level,
                None if logger.whose == Whose::Ours => level,
                None if filter(level) > LevelFilter::WARN => LogLevel::Warning,
                None => level,
            }
        };
        Self { levels: Mutex::new(LOGGERS.iter().map(level_of).collect()), filter: None }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogLevel>> {
        // A level is one value, always whole.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut [LogLevel])) {
        let mut levels = self.lock();
        change(&mut levels);
        if let Some(handle) = &self.filter {
            // The log lives as long as the process: there is a filter to replace.
            let _ = handle.reload(targets(&levels));
        }
    }
}

impl LogLevels for Levels {
    fn levels(&self) -> Vec<(&'static str, &'static str)> {
        let levels = self.lock();
        LOGGERS.iter().zip(&*levels).map(|(logger, level)| (logger.name, level.name())).collect()
    }

    fn set_all(&self, level: &str) -> Result<(), LogLevelError> {
        let level = LogLevel::parse(level).map_err(|_| LogLevelError::UnknownLevel)?;
        self.change(|levels| levels.fill(level));
        Ok(())
    }

    fn set(&self, changes: &[(&str, &str)]) -> Result<(), LogLevelError> {
        let mut known = Vec::new();
        for (name, level) in changes {
            let index = LOGGERS.iter().position(|logger| logger.name == *name);
            let index = index.ok_or(LogLevelError::UnknownLogger)?;
            let level = LogLevel::parse(level).map_err(|_| LogLevelError::UnknownLevel)?;
            known.push((index, level));
        }
        self.change(|levels| known.iter().for_each(|(index, level)| levels[*index] = *level));
        Ok(())
    }
}

/// Starts the log of the process. Call once.
///
/// # Errors
/// The log file cannot be opened, or a log is already running.
pub fn start(
    level: LogLevel,
    components: &ComponentLevels,
    path: Option<&Path>,
) -> Result<Levels, String> {
    let levels = Levels::new(level, components);
    let (filter, handle) = reload::Layer::new(targets(&levels.lock()));
    let layer = fmt::layer().with_ansi(false);
    let layer = match path {
        None => layer.with_writer(io::stderr).boxed(),
        Some(path) => {
            let open = OpenOptions::new().create(true).append(true).open(path);
            let file = open.map_err(|error| format!("--log-path {}: {error}", path.display()))?;
            let file = Arc::new(Mutex::new(file));
            layer.with_writer(move || Shared(Arc::clone(&file))).boxed()
        }
    };
    let registry = tracing_subscriber::registry().with(layer.with_filter(filter));
    registry.try_init().map_err(|error| format!("log: {error}"))?;
    Ok(Levels { filter: Some(handle), ..levels })
}

/// What is let through.
fn targets(levels: &[LogLevel]) -> Targets {
    let all = || LOGGERS.iter().zip(levels);
    let rest = all().find(|(logger, _)| logger.targets.is_empty());
    let default = rest.map_or(LevelFilter::WARN, |(_, level)| filter(*level));
    let named = all().flat_map(|(logger, level)| {
        logger.targets.iter().map(move |target| (*target, filter(*level)))
    });
    named.collect::<Targets>().with_default(default)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Critical => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    }
}

/// A log file that several threads write to, a line at a time.
struct Shared(Arc<Mutex<std::fs::File>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A panic while a line was written leaves at worst half a line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn allowed(levels: &Levels, target: &str, level: Level) -> bool {
        targets(&levels.lock()).would_enable(target, &level)
    }

    #[test]
    fn a_component_is_louder_than_the_rest() {
        let components = ComponentLevels(vec![("upstream".into(), LogLevel::Debug)]);
        let levels = Levels::new(LogLevel::Info, &components);
        assert!(allowed(&levels, "destrier_upstream::manager", Level::DEBUG));
        assert!(!allowed(&levels, "destrier_upstream::pool", Level::DEBUG), "a logger of its own");
        assert!(!allowed(&levels, "destrier_proxy", Level::DEBUG));
        assert!(allowed(&levels, "destrier_proxy", Level::INFO));
        assert!(!allowed(&levels, "hyper", Level::INFO));
        assert!(!allowed(&levels, "rustls", Level::INFO));
    }

    #[test]
    fn levels_change_at_once_and_together_or_not_at_all() {
        let levels = Levels::new(LogLevel::Warning, &ComponentLevels::default());
        levels.set_all("debug").expect("it is a level");
        assert!(allowed(&levels, "h2::proto", Level::DEBUG));
        let changes = [("upstream", "error"), ("nope", "info")];
        assert_eq!(levels.set(&changes), Err(LogLevelError::UnknownLogger));
        assert!(allowed(&levels, "destrier_upstream", Level::DEBUG), "nothing was changed");
        assert_eq!(levels.set(&[("upstream", "loud")]), Err(LogLevelError::UnknownLevel));
        levels.set(&[("upstream", "off"), ("config", "trace")]).expect("both are known");
        assert!(!allowed(&levels, "destrier_upstream", Level::ERROR));
        assert!(allowed(&levels, "destrier_xds::session", Level::TRACE));
    }
}
