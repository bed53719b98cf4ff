//! The table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::deaths::Losses;
use crate::forward::{Outcome, Sample};
use crate::membership::Membership;
use crate::peer::Peer;
use crate::picks::{self, Picks};
use crate::scale::Scaled;

/// One line on standard output; a closed output is not worth a word.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo run --release -p destrier-bench`; do not edit.

Every proxy forwards the same load to the same four backends on loopback, in interleaved and shuffled rounds. With
one worker it has a core for itself; load and backends run on the other. **CPU** is the time of the proxy's process on
a core per request (user and system), the median over the rounds; **vs Envoy** is the ratio to Envoy in the same
round: median, and least to most. The absolute figures are those of one machine; latencies of a closed loop say how
full the machine was, and only the row with a fixed rate compares them.

";

/// Everything that was measured; what was left out is empty.
pub(crate) struct Measured {
    pub(crate) forwarded: Vec<Outcome>,
    pub(crate) scaled: Vec<Scaled>,
    pub(crate) deaths: Vec<Losses>,
    pub(crate) membership: Vec<Membership>,
    pub(crate) picks: Vec<Picks>,
}

/// Writing to a `String` cannot fail, hence the ignored results.
pub(crate) fn render(measured: &Measured, peers: &[(Peer, PathBuf)], missing: &[&str]) -> String {
    let outcomes = &measured.forwarded;
    let mut text = String::from(HEAD);
    for (peer, binary) in peers {
        let _ = writeln!(text, "* {}: {}", peer.name(), version(*peer, binary));
    }
    for name in missing {
        let _ = writeln!(text, "* {name}: not installed, left out");
    }
    for workers in [1, 2] {
        let of_workers: Vec<_> = outcomes.iter().filter(|row| row.workers == workers).collect();
        if of_workers.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "\n## {workers} worker{}\n\n| load | proxy | CPU, us | vs Envoy | in the kernel | requests/s | p50 | p99 \
             | p99.9 | RSS, MiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            if workers == 1 { "" } else { "s" }
        );
        of_workers.into_iter().for_each(|outcome| write_outcome(&mut text, outcome));
    }
    write_idle(&mut text, outcomes);
    write_scaled(&mut text, &measured.scaled);
    write_membership(&mut text, &measured.membership);
    write_deaths(&mut text, &measured.deaths);
    picks::write(&mut text, &measured.picks);
    text
}

fn write_outcome(text: &mut String, outcome: &Outcome) {
    let yardstick = outcome.samples.get(&Peer::Envoy);
    for (peer, samples) in &outcome.samples {
        let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
        let ratio = yardstick.map_or_else(|| "-".into(), |envoy| ratios(samples, envoy));
        let time = |value: fn(&Sample) -> Duration| {
            let mut times: Vec<Duration> = samples.iter().map(value).collect();
            times.sort();
            shown(times[times.len() / 2])
        };
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {ratio} | {:.0} % | {:.0} | {} | {} | {} | {:.1} |",
            outcome.scenario,
            peer.name(),
            of(|sample| sample.cpu_us),
            of(|sample| sample.system_share) * 100.0,
            of(|sample| sample.per_second),
            time(|sample| sample.p50),
            time(|sample| sample.p99),
            time(|sample| sample.p999),
            of(|sample| sample.rss_kib as f64) / 1024.0,
        );
    }
}

/// Of the same rounds: median, least and most.
fn ratios(samples: &[Sample], envoy: &[Sample]) -> String {
    let mut all: Vec<f64> =
        samples.iter().zip(envoy).map(|(own, envoy)| own.cpu_us / envoy.cpu_us).collect();
    all.sort_by(f64::total_cmp);
    match (all.first(), all.last()) {
        (Some(least), Some(most)) => {
            format!("**{:.2}** ({least:.2} to {most:.2})", all[all.len() / 2])
        }
        _ => "-".into(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

pub(crate) fn shown(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..10_000 => format!("{micros} us"),
        micros => format!("{} ms", micros / 1000),
    }
}

fn write_idle(text: &mut String, outcomes: &[Outcome]) {
    let mut idle: BTreeMap<Peer, Vec<f64>> = BTreeMap::new();
    for (peer, kib) in outcomes.iter().filter(|row| row.workers == 1).flat_map(|row| &row.idle_kib)
    {
        idle.entry(*peer).or_default().push(*kib as f64 / 1024.0);
    }
    if idle.is_empty() {
        return;
    }
    *text += "\n## Idle memory, one worker, one cluster\n\n| proxy | RSS, MiB |\n|---|--:|\n";
    for (peer, values) in idle {
        let _ = writeln!(text, "| {} | {:.1} |", peer.name(), median(values));
    }
}

fn write_scaled(text: &mut String, scaled: &[Scaled]) {
    if scaled.is_empty() {
        return;
    }
    *text += "\n## Many clusters of ten endpoints\n\nStart is until the first answer. \"ADS\": the clusters come \
              from a control plane; then one endpoint of one cluster is changed, and a change counts from the push until a \
              request reaches the new endpoint.\n\n| clusters | proxy | start | RSS, MiB | ADS: start | ADS: RSS, MiB \
              | change live after | CPU of a change |\n|--:|---|--:|--:|--:|--:|--:|--:|\n";
    for row in scaled {
        let ads = row.ads.as_ref();
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {} | {} | {} | {} |",
            row.clusters,
            row.peer.name(),
            shown(row.start),
            row.rss_kib as f64 / 1024.0,
            or_dash(ads.map(|ads| shown(ads.start))),
            or_dash(ads.map(|ads| format!("{:.1}", ads.rss_kib as f64 / 1024.0))),
            or_dash(ads.map(|ads| shown(ads.change))),
            or_dash(ads.map(|ads| shown(ads.change_cpu))),
        );
    }
}

fn write_membership(text: &mut String, rows: &[Membership]) {
    let Some(first) = rows.first() else { return };
    let _ = write!(
        text,
        "\n## One endpoint comes to a cluster of {}\n\nOver ADS; the CPU time of the whole process for one such \
         update, which brings all endpoints anew.\n\n| policy | proxy | CPU of a change | RSS, MiB \
         |\n|---|---|--:|--:|\n",
        first.endpoints
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} |",
            row.balancing.lb_policy(),
            row.peer.name(),
            shown(row.cpu),
            row.rss_kib as f64 / 1024.0
        );
    }
}

fn write_deaths(text: &mut String, rows: &[Losses]) {
    if rows.is_empty() {
        return;
    }
    *text += "\n## Three of six hosts die at once\n\nUnder 2,000 requests a second, without retries, in the instant in \
              which EDS calls them unhealthy: failed requests, a number a round.\n\n| proxy | failed |\n|---|---|\n";
    for row in rows {
        let counts: Vec<String> = row.failed.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "| {} | {} |", row.peer.name(), counts.join(", "));
    }
}

/// What a binary says of itself.
fn version(peer: Peer, binary: &PathBuf) -> String {
    let flag = if matches!(peer, Peer::HaProxy | Peer::Nginx) { "-v" } else { "--version" };
    let Ok(output) = Command::new(binary).arg(flag).output() else { return "unknown".into() };
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&all);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // Envoy's line begins with the path of its binary.
    line.rsplit("version:").next().unwrap_or(line).trim().to_owned()
}
