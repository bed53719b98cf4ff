//! Destrier, a sidecar dataplane agent.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = destrier::args::Args::read(std::env::args_os());
    ExitCode::SUCCESS
}
