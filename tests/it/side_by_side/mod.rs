//! The same bootstrap, backends and requests for Envoy and for us: the answers have to be the same.
//!
//! Envoy is `$ENVOY_BIN`, else `.cache/envoy/envoy/_bin/envoy`, else `envoy` in the path. Without one
//! the test says that it was skipped.

mod cases;
mod envoy;
mod peers;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use anyhow::Result;
use destrier_testkit::{RawConn, RawResponse};

use crate::process::Program;
use cases::Case;
use envoy::Envoy;
use peers::Peers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_are_envoys() -> Result<()> {
    let Some(binary) = envoy::find() else {
        // Not `eprintln`: what a test that passes prints is hidden, and this must be seen.
        let said = "SKIPPED: side by side with Envoy: no Envoy here (set ENVOY_BIN)\n";
        io::stderr().write_all(said.as_bytes())?;
        return Ok(());
    };
    let peers = Peers::start()?;
    let bootstrap = peers.bootstrap()?;
    let envoy = Envoy::start(&binary, &bootstrap)?;
    let ours = Program::start(bootstrap, &[])?;
    let (envoy_entry, our_entry) = (envoy.ready().await?, ours.ready().await?);
    let mut differences = String::new();
    let cases = cases::all();
    for case in &cases {
        let theirs = answer(envoy_entry, case).await;
        let our = answer(our_entry, case).await;
        match cases::departure(case.name) {
            None if theirs == our => {}
            Some(departure) if theirs != our && our.starts_with(departure.ours) => {}
            departure => {
                let reason = departure.map_or("", |departure| departure.reason);
                writeln!(differences, "{} {reason}\n  Envoy {theirs}\n  ours  {our}", case.name)?;
            }
        }
    }
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
    assert!(differences.is_empty(), "\n{differences}");
    Ok(())
}

/// Sends the request of a case, and tells in one line what came of it.
async fn answer(to: SocketAddr, case: &Case) -> String {
    match exchange(to, case).await {
        Ok(answer) => shown(&answer),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}

async fn exchange(to: SocketAddr, case: &Case) -> io::Result<RawResponse> {
    let mut connection = RawConn::connect(to).await?;
    connection.send(&case.request).await?;
    connection.read_response(case.answer_to).await
}

/// Status, headers and body, without what differs from one run to the next.
fn shown(answer: &RawResponse) -> String {
    let head = &answer.head;
    let mut headers: Vec<String> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| {
            let value = match name.as_str() {
                "x-envoy-upstream-service-time" | "x-request-id" | "x-connection" => "*".into(),
                _ => String::from_utf8_lossy(value.as_bytes()),
            };
            format!("{name}: {value}")
        })
        .collect();
    // Their order means nothing (RFC 9110, 5.3).
    headers.sort();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let body = match body.contains("\nx-request-id: ") {
        true => as_seen_by_the_backend(&body),
        false => body,
    };
    format!("{} {headers:?} {body:?}", head.status.as_u16())
}

/// The request as the backend got it, in a form that can be compared.
fn as_seen_by_the_backend(body: &str) -> String {
    let mut lines: Vec<&str> = body
        .lines()
        .map(|line| if line.starts_with("x-request-id: ") { "x-request-id: *" } else { line })
        .collect();
    lines[1..].sort_unstable();
    lines.join(" | ")
}
