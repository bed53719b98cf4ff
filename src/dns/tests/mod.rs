//! A scripted resolver on virtual time.

mod wire;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use destrier_policy::{DnsFamily, DnsOptions, DnsServers, FailureBackoff};
use tokio::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Answers of each family in turn; the last one stays.
#[derive(Default)]
struct Script {
    answers: HashMap<&'static str, Vec<Result<Found, String>>>,
    asked: Mutex<Vec<(Duration, &'static str)>>,
    started: Option<Instant>,
}

impl Script {
    fn new() -> Self {
        Self { started: Some(Instant::now()), ..Self::default() }
    }

    fn answers(mut self, family: &'static str, answers: &[Result<Found, String>]) -> Self {
        self.answers.insert(family, answers.to_vec());
        self
    }
}

impl Resolve for Script {
    async fn look_up(&self, _: &str, family: Family, _: &DnsServers) -> Result<Found, String> {
        let family = if family == Family::V4 { "v4" } else { "v6" };
        let mut asked = self.asked.lock().expect("no one panicked");
        let turn = asked.iter().filter(|(_, known)| *known == family).count();
        let since = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        asked.push((since, family));
        let answers = self.answers.get(family).map_or(&[][..], |answers| answers);
        answers.get(turn).or(answers.last()).cloned().unwrap_or_else(|| Ok(Found::default()))
    }
}

fn found(addresses: &[&str], ttl: u64) -> Result<Found, String> {
    let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
    Ok(Found { addresses: addresses.collect(), ttl: Some(Duration::from_secs(ttl)) })
}

fn failure() -> Result<Found, String> {
    Err("timed out".into())
}

fn target(family: DnsFamily) -> DnsTarget {
    let options = DnsOptions {
        refresh_rate: 5 * SECOND,
        failure_backoff: None,
        jitter: Duration::ZERO,
        respect_ttl: true,
        family,
        wait_for_warm: true,
        servers: DnsServers::default(),
    };
    DnsTarget { cluster: "c".into(), host: "h".into(), options, wanted: Wanted::Each }
}

async fn look_up_once(script: Script, family: DnsFamily) -> Result<Vec<String>, String> {
    let found = look_up(&script, "h", family, &DnsServers::default()).await?;
    Ok(found.addresses.iter().map(ToString::to_string).collect())
}

#[tokio::test(start_paused = true)]
async fn the_family_decides_which_addresses_count() {
    let both = || {
        Script::new()
            .answers("v4", &[found(&["127.0.0.1", "127.0.0.1"], 1)])
            .answers("v6", &[found(&["::1"], 1)])
    };
    let only_v4 = || Script::new().answers("v4", &[found(&["127.0.0.1"], 1)]);
    let (v4, v6) = ("127.0.0.1".to_owned(), "::1".to_owned());
    for (script, family, addresses) in [
        (both(), DnsFamily::Auto, vec![v6.clone()]),
        (only_v4(), DnsFamily::Auto, vec![v4.clone()]),
        (both(), DnsFamily::V4Only, vec![v4.clone()]),
        (both(), DnsFamily::V4Preferred, vec![v4.clone()]),
        (both(), DnsFamily::All, vec![v4.clone(), v6.clone()]),
        (only_v4(), DnsFamily::V6Only, vec![]),
    ] {
        assert_eq!(look_up_once(script, family).await, Ok(addresses), "{family:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_family_without_an_answer_does_not_matter_when_the_other_has_addresses() {
    let v6_fails = || Script::new().answers("v6", &[failure()]);
    let v4 = || v6_fails().answers("v4", &[found(&["10.0.0.1"], 1)]);
    for family in [DnsFamily::Auto, DnsFamily::All, DnsFamily::V4Preferred] {
        assert_eq!(look_up_once(v4(), family).await, Ok(vec!["10.0.0.1".into()]), "{family:?}");
        // Whether there are addresses is not known then.
        assert_eq!(look_up_once(v6_fails(), family).await, Err("timed out".into()), "{family:?}");
    }
}

/// Runs until there are so many answers; they, and when was asked.
async fn run(script: Script, target: DnsTarget, count: usize) -> (Vec<Answer>, Vec<Duration>) {
    let (mut resolver, mut receiver) = Resolver::new(script);
    resolver.set_targets(vec![target]);
    let mut answers = Vec::new();
    while answers.len() < count {
        answers.push(receiver.recv().await.expect("the resolver is there"));
    }
    let asked = resolver.asked.asked.lock().expect("no one panicked");
    (answers, asked.iter().map(|(since, _)| *since).collect())
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_again_when_their_ttl_ends() {
    let answers = [found(&["10.0.0.1"], 30), found(&["10.0.0.2"], 2), found(&[], 0)];
    let script = Script::new().answers("v4", &answers);
    let (answers, asked) = run(script, target(DnsFamily::V4Only), 4).await;
    // Without a TTL the refresh rate holds; a name without addresses is an answer.
    assert_eq!(asked, [0, 30, 32, 37].map(Duration::from_secs));
    assert_eq!(answers[1].addresses, Ok(vec!["10.0.0.2".parse().expect("an address")]));
    assert_eq!(answers[3].addresses, Ok(vec![]));
}

#[tokio::test(start_paused = true)]
async fn failures_back_off() {
    let script = Script::new().answers("v4", &[failure()]);
    let mut target = target(DnsFamily::V4Only);
    target.options.failure_backoff = Some(FailureBackoff { base: SECOND, max: 4 * SECOND });
    let (answers, asked) = run(script, target, 8).await;
    assert!(answers.iter().all(|answer| answer.addresses.is_err()));
    let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
    for (pause, limit) in pauses.zip([1, 2, 4, 4, 4, 4, 4]) {
        // Timers have a resolution of a millisecond.
        assert!(pause <= limit * SECOND + Duration::from_millis(2), "{pause:?} of {limit} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logical_name_without_addresses_is_a_failure() {
    let target = DnsTarget { wanted: Wanted::First, ..target(DnsFamily::V4Only) };
    let (answers, _) = run(Script::new(), target, 1).await;
    assert_eq!(answers[0].addresses, Err("it has no address".into()));
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_asked_for_anew() {
    let (mut resolver, mut receiver) = Resolver::new(Script::new());
    resolver.set_targets(vec![target(DnsFamily::V4Only)]);
    receiver.recv().await.expect("the resolver is there");
    resolver.set_targets(vec![target(DnsFamily::V4Only)]);
    tokio::time::sleep(SECOND).await;
    assert_eq!(resolver.asked.asked.lock().expect("no one panicked").len(), 1);
    resolver.set_targets(vec![target(DnsFamily::V6Only)]);
    receiver.recv().await.expect("the resolver is there");
    assert_eq!(resolver.asked.asked.lock().expect("no one panicked").len(), 2);
    resolver.set_targets(vec![]);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(resolver.asked.asked.lock().expect("no one panicked").len(), 2);
}
