//! The command line: Envoy's flags with Envoy's meaning, since sidecar injectors and hands pass them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

/// A sidecar dataplane agent: balances, limits and explains, as the control plane asks.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "destrier",
    version,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Bootstrap file, an Envoy v3 `Bootstrap` in YAML or JSON.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config_path: Option<PathBuf>,

    /// Bootstrap text, merged over the file.
    #[arg(long, value_name = "YAML")]
    pub config_yaml: Option<String>,

    /// Run, or only say what would be refused.
    #[arg(long, value_enum, default_value_t = Mode::Serve)]
    pub mode: Mode,

    /// Accept unknown fields in the bootstrap.
    #[arg(long)]
    pub allow_unknown_static_fields: bool,

    /// Accepted without effect: unknown fields of the control plane's resources are skipped.
    #[arg(long)]
    pub reject_unknown_dynamic_fields: bool,

    /// Keep what the control plane said last in this directory, and begin with it when none answers.
    /// Secrets are left out.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Seconds that the control plane has for its first answer before `--state-dir` is used.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub state_wait: u64,

    /// Overrides `node.id`.
    #[arg(long, value_name = "ID")]
    pub service_node: Option<String>,

    /// Overrides `node.cluster`.
    #[arg(long, value_name = "NAME")]
    pub service_cluster: Option<String>,

    /// Overrides `node.locality.zone`.
    #[arg(long, value_name = "ZONE")]
    pub service_zone: Option<String>,

    /// Worker threads; default (and 0): one per core.
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,

    /// Least severe level that is logged.
    #[arg(short = 'l', long, value_name = "LEVEL", default_value = "info", value_parser = LogLevel::parse)]
    pub log_level: LogLevel,

    /// Levels by component: `upstream:debug,http:trace`.
    #[arg(long, value_name = "LIST", default_value = "", value_parser = component_levels)]
    pub component_log_level: ComponentLevels,

    /// Log file; default is standard error.
    #[arg(long, value_name = "FILE")]
    pub log_path: Option<PathBuf>,

    /// Accepted; the format of the log is fixed.
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub log_format: Option<String>,

    /// Seconds that requests in flight get when the agent ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub drain_time_s: u64,

    /// Accepted without effect: every connection is asked to leave when draining begins.
    #[arg(long, value_enum, default_value_t = DrainStrategy::Gradual)]
    pub drain_strategy: DrainStrategy,

    /// Accepted; there is no hot restart.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub parent_shutdown_time_s: u64,

    /// Accepted without effect: addresses stand in the bootstrap.
    #[arg(long, value_enum, default_value_t = IpVersion::V4)]
    pub local_address_ip_version: IpVersion,

    /// Accepted; there is no hot restart.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub restart_epoch: u32,

    /// Accepted; there is no hot restart.
    #[arg(long)]
    pub disable_hot_restart: bool,

    /// Accepted; there is no hot restart.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub base_id: u32,

    /// Accepted; there is no hot restart.
    #[arg(long)]
    pub use_dynamic_base_id: bool,

    /// Longest time that an access log line waits to be written.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub file_flush_interval_msec: u64,

    /// Accepted without effect: the access log is written after 64 KiB.
    #[arg(long, value_name = "KIB", default_value_t = 64)]
    pub file_flush_min_size_kb: u64,

    /// Accepted.
    #[arg(long, action = ArgAction::SetTrue)]
    pub skip_deprecated_logs: bool,

    /// Accepted; core dumps are the system's affair.
    #[arg(long)]
    pub enable_core_dump: bool,
}

/// Commands of our own.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Control plane, backends and agent in one process, on free loopback ports.
    Demo {
        /// Run a script instead, print what was expected and seen, exit 0 only if all of it held.
        #[arg(long)]
        check: bool,
    },
    /// Ask an agent's admin port whether it is ready: exit status 0 when it is. For health checks in
    /// images without a shell.
    Ready {
        /// Where the admin port is.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15000")]
        admin: std::net::SocketAddr,
    },
}

/// `--mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Run.
    Serve,
    /// Read everything, bind nothing, exit 0 or 1.
    Validate,
}

/// `--drain-strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DrainStrategy {
    /// Connections are told to end over the drain time.
    Gradual,
    /// At once.
    Immediate,
}

/// `--local-address-ip-version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Envoy's log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's level of the same name")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
    Off,
}

impl LogLevel {
    /// Envoy's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Off => "off",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        use LogLevel::{Critical, Debug, Error, Info, Off, Trace, Warning};
        if text == "warn" {
            return Ok(Warning);
        }
        [Trace, Debug, Info, Warning, Error, Critical, Off]
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| {
                "one of trace, debug, info, warning, error, critical, off is wanted".into()
            })
    }
}

/// `--component-log-level`, in the order given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentLevels(pub Vec<(String, LogLevel)>);

fn component_levels(text: &str) -> Result<ComponentLevels, String> {
    let pair = |item: &str| {
        let (name, level) = item.split_once(':').ok_or("pairs of component:level are wanted")?;
        Ok((name.to_owned(), LogLevel::parse(level)?))
    };
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(pair)
        .collect::<Result<_, String>>()
        .map(ComponentLevels)
}

impl Args {
    /// Reads a command line, program name first.
    ///
    /// # Errors
    /// What is to be printed: one line for a mistake, the whole text for `--help` and `--version`.
    pub fn read(line: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, Exit> {
        Self::try_parse_from(line).map_err(|error| {
            use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
            let text = error.render().to_string();
            if matches!(error.kind(), DisplayHelp | DisplayVersion) {
                return Exit { text, status: 0 };
            }
            // clap explains at length; what names the flag and the cause stands in the first paragraph.
            let first = text.split("\n\n").next().unwrap_or(&text);
            let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
            Exit { text: format!("destrier: {}\n", line.trim_start_matches("error: ")), status: 1 }
        })
    }

    /// Flags that ask for something that is not done, to be said once: what is not enforced is not
    /// pretended.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.reject_unknown_dynamic_fields, "--reject-unknown-dynamic-fields"),
            (self.drain_strategy == DrainStrategy::Immediate, "--drain-strategy immediate"),
            (self.file_flush_min_size_kb != 64, "--file-flush-min-size-kb"),
            (self.restart_epoch != 0, "--restart-epoch"),
        ]
        .into_iter()
        .filter_map(|(asked, flag)| asked.then_some(flag))
    }

    /// `--drain-time-s`.
    pub fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_time_s)
    }

    /// Worker threads to start.
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.concurrency.filter(|workers| *workers > 0).unwrap_or_else(cores)
    }
}

/// The program ends before it began.
#[derive(Debug, PartialEq, Eq)]
pub struct Exit {
    /// For standard output when the status is 0, else for standard error.
    pub text: String,
    /// Exit status.
    pub status: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, Exit> {
        Args::read(line.split(' ').map(Into::into))
    }

    #[test]
    fn what_istios_agent_passes_is_understood() {
        let line = "envoy -c etc/istio/proxy/envoy-rev.json --drain-time-s 45 --drain-strategy immediate \
                    --local-address-ip-version v4 --file-flush-interval-msec 1000 --disable-hot-restart \
                    --allow-unknown-static-fields -l warning --component-log-level misc:error \
                    --skip-deprecated-logs --concurrency 2";
        let args = read(line).expect("all flags are known");
        assert_eq!((args.drain_time_s, args.workers()), (45, 2));
        assert_eq!(args.log_level, LogLevel::Warning);
        assert_eq!(args.component_log_level.0, [("misc".to_owned(), LogLevel::Error)]);
        let without_effect: Vec<_> = args.without_effect().collect();
        assert_eq!(without_effect, ["--drain-strategy immediate"]);
    }

    #[test]
    fn a_mistake_is_one_line_that_names_the_flag() {
        for (line, words) in [
            ("destrier --nope", &["--nope"][..]),
            ("destrier --mode run", &["--mode", "run"]),
            ("destrier -l loud", &["--log-level", "loud", "trace"]),
            ("destrier --concurrency many", &["--concurrency", "many"]),
            (
                "destrier --component-log-level upstream",
                &["--component-log-level", "component:level"],
            ),
        ] {
            let exit = read(line).expect_err(line);
            assert_eq!((exit.status, exit.text.lines().count()), (1, 1), "{}", exit.text);
            for word in words {
                assert!(exit.text.contains(word), "{line}: {}", exit.text);
            }
        }
    }

    #[test]
    fn help_and_version_are_no_mistakes() {
        for line in ["destrier --help", "destrier --version"] {
            assert_eq!(read(line).expect_err(line).status, 0);
        }
    }
}
