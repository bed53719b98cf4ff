//! `/logging`: the levels of the process's own log.

use axum::http::StatusCode;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

/// The loggers of the process, under Envoy's names, with their levels.
pub trait LogLevels: Send + Sync {
    /// Each logger and its level, in the order in which they are shown.
    fn levels(&self) -> Vec<(&'static str, &'static str)>;

    /// Changes all loggers. In force when it returns.
    ///
    /// # Errors
    /// There is no such level; nothing was changed.
    fn set_all(&self, level: &str) -> Result<(), LogLevelError>;

    /// Changes some loggers, by name. In force when it returns.
    ///
    /// # Errors
    /// There is no such logger or level; nothing was changed.
    fn set(&self, changes: &[(&str, &str)]) -> Result<(), LogLevelError>;
}

/// Why levels were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelError {
    /// Envoy has many loggers without a counterpart here; these are unknown too.
    #[error("unknown logger name")]
    UnknownLogger,
    /// Levels are trace, debug, info, warning, error, critical, off.
    #[error("unknown logger level")]
    UnknownLevel,
}

const USAGE: &str = "usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off \n";

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    match change(sources, query) {
        Ok(()) => Answer::ok(shown(sources)),
        Err(fault) => {
            let text = format!("error: {fault}\n\n{USAGE}{}", shown(sources));
            Answer::text(StatusCode::BAD_REQUEST, text)
        }
    }
}

fn shown(sources: &Sources) -> String {
    let lines =
        sources.log.levels().into_iter().map(|(name, level)| format!("  {name}: {level}\n"));
    format!("active loggers:\n{}\n", lines.collect::<String>())
}

fn change(sources: &Sources, query: &Query) -> Result<(), String> {
    let mut parameters = query.iter();
    let Some((name, value)) = parameters.next() else { return Ok(()) };
    if parameters.next().is_some() {
        return Err("invalid number of parameters".to_owned());
    }
    let changed = match name {
        // Without a value Envoy only shows them.
        "level" if value.is_empty() => Ok(()),
        "level" => sources.log.set_all(value),
        "paths" => {
            let pairs = value.split(',').filter(|pair| !pair.is_empty());
            let pairs: Option<Vec<_>> = pairs.map(|pair| pair.split_once(':')).collect();
            sources.log.set(&pairs.ok_or("empty logger name or empty logger level")?)
        }
        name => sources.log.set(&[(name, value)]),
    };
    changed.map_err(|fault| fault.to_string())
}
