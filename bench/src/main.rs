//! Side by side with Envoy, HAProxy and nginx: `cargo run --release -p destrier-bench`.
//!
//! Builds the release binary, runs every proxy under the same load in interleaved rounds, and writes
//! `docs/benchmarks.md`. The figure that counts is the CPU time of the proxy's process per request, as a
//! ratio to Envoy in the same round. A peer that is not installed is left out and said.
//!
//! `--quick` takes one short round, to see that all of it works; `--only WORD` runs the scenarios whose name
//! has the word; `--no-scale` leaves out the runs with a control plane and the pick alone, which wants
//! valgrind; `--no-build` takes the binary that is there; `--picks` measures nothing but the pick.
//!
//! Two trials of endurance run alone, Destrier by itself: `--kills SECONDS` ends the control plane by force
//! each second, `--soak SECONDS` lets a thousand clusters come and go ten times a second.

mod deaths;
mod forward;
mod kills;
mod membership;
mod peer;
mod picks;
mod ports;
mod process;
mod report;
mod scale;
mod soak;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use peer::Peer;

/// What was asked for.
struct Options {
    rounds: usize,
    quick: bool,
    only: Option<String>,
    scale: bool,
    build: bool,
    picks: bool,
    endurance: Option<Endurance>,
}

/// A trial that runs alone, for so long.
#[derive(Clone, Copy)]
enum Endurance {
    Kills(Duration),
    Soak(Duration),
}

impl Options {
    fn read() -> Result<Self> {
        let mut options = Self {
            rounds: 5,
            quick: false,
            only: None,
            scale: true,
            build: true,
            picks: false,
            endurance: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => (options.quick, options.rounds) = (true, 1),
                "--only" => options.only = Some(words.next().context("--only wants a word")?),
                "--no-scale" => options.scale = false,
                "--no-build" => options.build = false,
                "--picks" => options.picks = true,
                "--kills" => {
                    options.endurance = Some(Endurance::Kills(seconds(words.next())?));
                }
                "--soak" => options.endurance = Some(Endurance::Soak(seconds(words.next())?)),
                "--rounds" => {
                    options.rounds = words.next().context("--rounds wants a number")?.parse()?
                }
                other => bail!("{other} is not known"),
            }
        }
        Ok(options)
    }
}

fn seconds(word: Option<String>) -> Result<Duration> {
    let word = word.context("a number of seconds is wanted")?;
    Ok(Duration::from_secs(word.parse().with_context(|| format!("{word:?} is no number"))?))
}

fn build(root: &Path) -> Result<()> {
    let build = Command::new("cargo")
        .args(["build", "--release", "--locked", "--workspace"])
        .args(["--bin", "destrier", "--bin", "mock-xds"])
        .current_dir(root)
        .status()?;
    if !build.success() {
        bail!("the release binaries cannot be built");
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    if words.next().is_some_and(|word| word == picks::WATCHED) {
        return picks::run_watched(words);
    }
    let options = Options::read()?;
    if options.picks {
        let mut text = String::new();
        picks::write(&mut text, &picks::run()?);
        report::say(&text);
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace")?;
    if options.build {
        build(root)?;
    }
    match options.endurance {
        Some(Endurance::Kills(duration)) => return kills::run(root, duration),
        Some(Endurance::Soak(duration)) => return soak::run(root, duration),
        None => {}
    }
    let mut peers: Vec<(Peer, PathBuf)> = Vec::new();
    let mut missing = Vec::new();
    for peer in Peer::ALL {
        match peer.binary(root) {
            Some(binary) => peers.push((peer, binary)),
            None => missing.push(peer.name()),
        }
    }
    for name in &missing {
        report::say(&format!("{name} is not installed: left out"));
    }
    let forwarded = forward::run(&options, &peers)?;
    let scaled = if options.scale { scale::run(&options, &peers)? } else { Vec::new() };
    let (deaths, membership) = match options.scale {
        true => (deaths::run(&options, &peers)?, membership::run(&options, &peers)?),
        false => (Vec::new(), Vec::new()),
    };
    let picks = if options.scale { picks::run()? } else { Vec::new() };
    let measured = report::Measured { forwarded, scaled, deaths, membership, picks };
    let text = report::render(&measured, &peers, &missing);
    report::say(&text);
    if options.quick || options.only.is_some() {
        report::say("docs/benchmarks.md is left as it is: this was not a whole run");
    } else {
        std::fs::write(root.join("docs/benchmarks.md"), text)?;
    }
    Ok(())
}
