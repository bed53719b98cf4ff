//! The agent's own log: levels by component under Envoy's names, changeable while it runs.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::args::{ComponentLevels, LogLevel};

/// Envoy's logger names that have a counterpart here, and the targets that they switch.
const COMPONENTS: &[(&str, &[&str])] = &[
    ("admin", &["destrier_admin"]),
    ("config", &["destrier_xds", "destrier_control"]),
    ("connection", &["destrier_upstream", "destrier_proxy"]),
    ("filter", &["destrier_proxy::tcp"]),
    ("forward_proxy", &["destrier_upstream"]),
    ("grpc", &["destrier_xds", "tonic"]),
    ("http", &["destrier_proxy"]),
    ("http2", &["hyper", "h2"]),
    ("main", &["destrier"]),
    ("pool", &["destrier_upstream"]),
    ("router", &["destrier_proxy"]),
    ("upstream", &["destrier_upstream"]),
];

/// Starts the log of the process. Call once.
///
/// # Errors
/// The log file cannot be opened, or a log is already running.
pub fn start(
    level: LogLevel,
    components: &ComponentLevels,
    path: Option<&Path>,
) -> Result<(), String> {
    let filter = targets(level, components);
    let (filter, _handle) = reload::Layer::new(filter);
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
    registry.try_init().map_err(|error| format!("log: {error}"))
}

/// What is let through: the dependencies are asked only for what is wrong, unless a component names them.
fn targets(level: LogLevel, components: &ComponentLevels) -> Targets {
    let mut targets = Targets::new().with_default(filter(level).min(LevelFilter::WARN));
    for own in [
        "destrier",
        "destrier_admin",
        "destrier_control",
        "destrier_mock_xds",
        "destrier_proxy",
        "destrier_upstream",
        "destrier_xds",
    ] {
        targets = targets.with_target(own, filter(level));
    }
    for (name, level) in &components.0 {
        // An unknown name is one of Envoy's many loggers without a counterpart: nothing to switch.
        let known = COMPONENTS.iter().filter(|(component, _)| component == name);
        for target in known.flat_map(|(_, targets)| *targets) {
            targets = targets.with_target(*target, filter(*level));
        }
    }
    targets
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
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_component_is_louder_than_the_rest() {
        let components = ComponentLevels(vec![("upstream".into(), LogLevel::Debug)]);
        let targets = targets(LogLevel::Info, &components);
        assert!(targets.would_enable("destrier_upstream::pool", &Level::DEBUG));
        assert!(!targets.would_enable("destrier_proxy", &Level::DEBUG));
        assert!(targets.would_enable("destrier_proxy", &Level::INFO));
        assert!(!targets.would_enable("hyper", &Level::INFO));
    }
}
