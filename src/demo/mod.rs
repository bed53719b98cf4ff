//! `destrier demo`: a control plane, three backends and the agent in one process, on free loopback
//! ports.

mod check;
pub mod config;
pub mod local;
mod mesh;
mod tour;

use std::process::ExitCode;

/// What the demo is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Somebody watches: things change slowly, with words.
    Person,
    /// A script: what was expected and seen, and an exit status.
    Script,
}

/// Runs the demo; the exit status is a failure when something did not hold.
pub fn run(audience: Audience) -> ExitCode {
    // Load, backends and control plane share one runtime; the agent has threads of its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match audience {
                Audience::Person => tour::run().await.map(|()| true),
                Audience::Script => check::run().await,
            }
        })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("demo: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// One line for the person; a closed output is not worth a word.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}
