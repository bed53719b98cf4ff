//! Destrier, a sidecar dataplane agent.

use std::io::Write as _;
use std::process::ExitCode;

use destrier::agent::Agent;
use destrier::args::{Args, Command, Mode};
use destrier::demo::{self, Audience};
use destrier::telemetry::{self, Levels};
use destrier::{bootstrap, health};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(exit) if exit.status == 0 => {
            // A closed standard output is not worth a word.
            let _ = std::io::stdout().write_all(exit.text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(exit) => return fail([exit.text.trim_end().trim_start_matches("destrier: ")]),
    };
    match args.command {
        Some(Command::Demo { check }) => {
            return demo::run(if check { Audience::Script } else { Audience::Person });
        }
        Some(Command::Ready { admin }) => {
            return match health::ask(admin) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail([error.to_string().as_str()]),
            };
        }
        None => {}
    }
    let loaded = match bootstrap::load(&args) {
        Ok(loaded) => loaded,
        Err(faults) => return fail(faults.iter().map(String::as_str)),
    };
    if args.mode == Mode::Validate {
        let _ = writeln!(std::io::stdout(), "configuration OK");
        return ExitCode::SUCCESS;
    }
    let started =
        telemetry::start(args.log_level, &args.component_log_level, args.log_path.as_deref());
    let levels = match started {
        Ok(levels) => levels,
        Err(error) => return fail([error.as_str()]),
    };
    match serve(loaded, &args, levels) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail([format!("{error:#}").as_str()]),
    }
}

/// One line a fault, on standard error.
fn fail<'a>(faults: impl IntoIterator<Item = &'a str>) -> ExitCode {
    for fault in faults {
        let _ = writeln!(std::io::stderr(), "destrier: {fault}");
    }
    ExitCode::FAILURE
}

/// Runs until a signal or `/quitquitquit`, then drains. A second signal ends at once.
fn serve(loaded: bootstrap::Loaded, args: &Args, levels: Levels) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reopen = signal(SignalKind::user_defined1())?;
        for flag in args.without_effect() {
            tracing::info!(flag, "accepted, without effect");
        }
        let agent = Agent::start(loaded, args, levels)?;
        let quit = agent.quit().clone();
        loop {
            tokio::select! {
                _ = reopen.recv() => {
                    tracing::info!("SIGUSR1: opening access logs anew");
                    agent.reopen_logs();
                    continue;
                }
                _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
                _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
                () = quit.cancelled() => tracing::info!("asked to quit: draining"),
            }
            break;
        }
        tokio::select! {
            () = agent.drain(args.drain_time()) => tracing::info!("drained"),
            _ = terminate.recv() => tracing::warn!("a second signal: ending at once"),
            _ = interrupt.recv() => tracing::warn!("a second signal: ending at once"),
        }
        Ok(())
    })
}
