//! The same requests to Envoy and to us: the answers and the lines of the access logs have to be the same.
//!
//! Each table (`plain`, `routes`, ...) has the connection managers and the requests of one subject; what
//! differs on purpose stands in `departures`, with the reason.

mod case;
mod departures;
mod exchange;
mod http2;
mod local;
mod log;
mod malformed;
mod manager;
mod mutations;
mod plain;
mod routes;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::time::{Duration, Instant, sleep};

use super::envoy::{self, Envoy};
use crate::process::Program;
use case::Case;
use exchange::{Outcome, exchange};
use world::Peers;

/// How many requests are compared at least.
const AT_LEAST: usize = 200;
/// How long the logs may disagree after the last request: some lines come when a connection is gone.
const LOGS_SETTLE: Duration = Duration::from_secs(3);

fn cases() -> Vec<Case> {
    let tables = [
        plain::cases(),
        routes::cases(),
        mutations::cases(),
        manager::cases(),
        local::cases(),
        malformed::cases(),
        http2::cases(),
    ];
    tables.into_iter().flatten().collect()
}

#[test]
fn each_case_has_a_name_of_its_own() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "some name stands there twice");
    assert!(cases.len() >= AT_LEAST, "only {} requests are compared", cases.len());
    let unknown: Vec<_> = departures::named().filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "departures of cases that are not there: {unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_are_envoys() -> Result<()> {
    let Some(binary) = envoy::find_or_say("answers")? else { return Ok(()) };
    let peers = Peers::start()?;
    let tables = [
        plain::listeners(&peers),
        routes::listeners(),
        mutations::listeners(),
        manager::listeners(),
        local::listeners(&peers),
        malformed::listeners(),
    ];
    let managers = tables.concat();
    let folder = tempfile::tempdir()?;
    let logs = [folder.path().join("envoy.log"), folder.path().join("ours.log")];
    let envoy = Envoy::start(&binary, &peers.bootstrap(&managers, &logs[0]))?;
    let flags = ["--file-flush-interval-msec", "50"];
    let ours = Program::start(peers.bootstrap(&managers, &logs[1]), &flags)?;
    envoy.ready().await?;
    ours.ready().await?;
    let entries = [envoy.listeners().await?, ours.listeners().await?]
        .map(|listeners| listeners.into_iter().collect::<BTreeMap<_, _>>());

    let cases = cases();
    let mut outcomes = Vec::with_capacity(cases.len());
    for case in &cases {
        let [theirs, our] = [&entries[0], &entries[1]].map(|entries| entry(entries, case));
        let (theirs, our) = tokio::join!(exchange(theirs?, case), exchange(our?, case));
        outcomes.push([theirs.context(case.name)?, our.context(case.name)?]);
    }

    let last = outcomes.last().context("there are cases")?.each_ref().map(|outcome| outcome.ports);
    let begin = Instant::now();
    loop {
        let lines = [log::read(&logs[0], last[0]).await?, log::read(&logs[1], last[1]).await?];
        let found = compare(&cases, &outcomes, &lines)?;
        if found.is_empty() {
            return Ok(());
        }
        assert!(begin.elapsed() < LOGS_SETTLE, "\n{found}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn entry(entries: &BTreeMap<String, SocketAddr>, case: &Case) -> Result<SocketAddr> {
    entries.get(case.listener).copied().with_context(|| format!("no listener {}", case.listener))
}

/// Everything that is not as it has to be.
fn compare(cases: &[Case], outcomes: &[[Outcome; 2]], lines: &[log::Lines; 2]) -> Result<String> {
    let mut found = String::new();
    for (case, [theirs, ours]) in cases.iter().zip(outcomes) {
        let mut differing = Vec::new();
        if theirs.answer != ours.answer {
            let both = format!("\n    Envoy {}\n    ours  {}", theirs.answer, ours.answer);
            differing.push(("answer", both));
        }
        let logged = |proxy: usize, ports: log::Ports| {
            lines[proxy].get(&ports).map_or(&[][..], Vec::as_slice)
        };
        // A port that the system gave twice does not tell whose line it is.
        let again = outcomes.iter().any(|[a, b]| {
            let others = !std::ptr::eq(a, theirs);
            others && (a.ports == theirs.ports || b.ports == ours.ports)
        });
        if again {
            if differing.is_empty() != departures::of(case.name).all(|known| known.of_log()) {
                writeln!(found, "{}: {differing:?}", case.name)?;
            }
            continue;
        }
        differing.extend(log::differences(logged(0, theirs.ports), logged(1, ours.ports)));
        for (part, both) in &differing {
            if !departures::of(case.name).any(|known| known.expects(part, &ours.answer)) {
                writeln!(found, "{} {part}: {both}", case.name)?;
            }
        }
        for known in departures::of(case.name) {
            let same =
                known.parts().iter().find(|part| differing.iter().all(|(it, _)| it != *part));
            if let Some(part) = same {
                writeln!(found, "{} {part}: does not differ, but: {}", case.name, known.reason)?;
            }
        }
    }
    Ok(found)
}
