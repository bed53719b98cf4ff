//! h2spec's cases against a listener: generic, http2 and hpack.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use destrier::demo::config::{http_manager, listener, route, static_cluster};
use destrier::demo::local::LocalAgent;
use destrier_testkit::Backend;

use crate::mesh::{addresses, backends, static_agent};
use crate::process::say_skipped;

const MODULE: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

/// Cases that do not hold where a listener finds the version out by itself: what does not begin as HTTP/2
/// is answered as HTTP/1, before the connection is closed.
const WHERE_DETECTED: [&str; 1] = ["Sends invalid connection preface"];

/// The program on PATH, or one built from its Go module; `None` where neither can be had.
fn h2spec() -> Option<PathBuf> {
    let runs = |program: &Path| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let on_path = PathBuf::from("h2spec");
    if runs(&on_path) {
        return Some(on_path);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2spec");
    let built = folder.join("h2spec");
    if !runs(&built) {
        let line = ["install", MODULE];
        let build =
            Command::new("go").args(line).env("GOBIN", &folder).stderr(Stdio::null()).status();
        if !build.is_ok_and(|status| status.success()) {
            return None;
        }
    }
    Some(built)
}

/// How long an answer is held back. Many cases send a request and then a fault: an answer that is quicker
/// than the fault ends the stream in order, and the fault is none any more.
const DELAY: Duration = Duration::from_millis(50);

async fn agent(codec: &str, backends: &[Backend]) -> Result<LocalAgent> {
    let mut manager = http_manager("ingress", &[route("/", "service")]);
    manager["codec_type"] = codec.into();
    let clusters = [static_cluster("service", &addresses(backends))];
    static_agent(&[listener("http", &manager)], &clusters).await
}

/// The failed cases by their descriptions, and how many there were.
async fn failures(program: PathBuf, agent: &LocalAgent) -> Result<(Vec<String>, usize)> {
    let address = agent.entry();
    let run = tokio::task::spawn_blocking(move || {
        let report = tempfile::NamedTempFile::new()?;
        let output = Command::new(program)
            .args(["generic", "http2", "hpack", "--timeout", "5"])
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .arg("--junit-report")
            .arg(report.path())
            .output()?;
        let text = std::fs::read_to_string(report.path())?;
        ensure!(!text.is_empty(), "no report: {}", String::from_utf8_lossy(&output.stdout));
        Ok(text)
    });
    let report = run.await??;
    let mut failed = Vec::new();
    let cases: Vec<_> = report.split("<testcase ").skip(1).collect();
    for case in &cases {
        if case.contains("<failure") || case.contains("<error") {
            let name = case.split("classname=\"").nth(1).context("a case has a name")?;
            failed.push(name.split('"').next().unwrap_or_default().to_owned());
        }
    }
    Ok((failed, cases.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_passes() -> Result<()> {
    let built = tokio::task::spawn_blocking(h2spec).await?;
    let Some(program) = built else {
        say_skipped("h2spec: it is not on PATH, and Go or its module cannot be had here")?;
        return Ok(());
    };
    let backends = backends(["a"])?;
    backends[0].update(|behaviour| behaviour.delay = DELAY);
    for (codec, known) in [("HTTP2", &[][..]), ("AUTO", &WHERE_DETECTED[..])] {
        let agent = agent(codec, &backends).await?;
        let (failed, cases) = failures(program.clone(), &agent).await?;
        ensure!(cases > 140, "only {cases} cases were run");
        assert_eq!(failed, known, "{codec}");
        println!("{codec}: {} of {cases} cases pass", cases - failed.len());
    }
    Ok(())
}
