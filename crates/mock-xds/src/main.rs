//! Serves a folder of resources over ADS and prints what clients ask and answer.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use destrier_mock_xds::{Behaviour, Listen, MockXds, load_folder};

/// A control plane for trying things out: serves Envoy resources from a folder.
#[derive(Parser)]
#[command(name = "mock-xds", version)]
struct Args {
    /// Where to listen: an address and port, or unix:PATH.
    #[arg(long, default_value = "127.0.0.1:18000")]
    listen: Listen,

    /// Folder of *.json, *.yaml and recorded *.pb; changes are published as they are seen.
    #[arg(long)]
    dir: PathBuf,

    /// How often the folder is looked at.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    interval_ms: u64,

    /// The server to behave like.
    #[arg(long, value_enum, default_value_t = Like::Istiod)]
    like: Like,
}

#[derive(Clone, Copy, ValueEnum)]
enum Like {
    Istiod,
    GoControlPlane,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("mock-xds: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), String> {
    let seen = fingerprint(&args.dir).ok();
    // A folder that is wrong from the start is a mistake; one that turns wrong is being edited.
    let first = load_folder(&args.dir).map_err(|err| err.to_string())?;
    let behaviour = match args.like {
        Like::Istiod => Behaviour::istiod(),
        Like::GoControlPlane => Behaviour::go_control_plane(),
    };
    let server = MockXds::start_like(behaviour, args.listen.clone())
        .await
        .map_err(|err| format!("{}: {err}", args.listen))?;
    println!("listening on {}", server.listen());
    println!("published {}", server.replace(first));
    tokio::select! {
        () = watch_folder(&server, args, seen) => Ok(()),
        () = print_requests(&server) => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.map_err(|err| err.to_string()),
    }
}

async fn watch_folder(server: &MockXds, args: &Args, mut seen: Option<u64>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(args.interval_ms));
    loop {
        ticks.tick().await;
        let now = fingerprint(&args.dir).ok();
        if now == seen {
            continue;
        }
        seen = now;
        match load_folder(&args.dir) {
            Ok(wanted) => println!("published {}", server.replace(wanted)),
            Err(err) => eprintln!("{err}; what was served stays"),
        }
    }
}

/// Names and contents: what editors and `cp -p` do to modification times does not matter.
fn fingerprint(folder: &Path) -> io::Result<u64> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let mut hasher = DefaultHasher::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        path.hash(&mut hasher);
        fs::read(path)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

async fn print_requests(server: &MockXds) {
    loop {
        for recorded in server.take_requests().await {
            println!("{recorded}");
        }
    }
}
