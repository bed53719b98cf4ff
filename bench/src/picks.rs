//! The pick alone: instructions under valgrind, which counts them, so that they repeat exactly; and what
//! it takes to build a table.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use destrier_balance::{
    Balancer, Candidate, Health, LbState, Member, Preference, Setup, TableBudget,
};
use destrier_policy::{
    Address, CommonLb, ConsistentHashing, HashFunction, HealthStatus, LbPolicy, Locality, Metadata,
    Selection,
};
use tokio::time::Instant;

use crate::report::{say, shown};

/// Sizes of the cluster.
const HOSTS: [usize; 4] = [3, 100, 1000, 10_000];

/// Picks of one run.
const PICKS: u64 = 10_000;

/// First word of the command line of a run that valgrind watches.
pub(crate) const WATCHED: &str = "watched-picks";

/// The cost of one way to choose, by the number of hosts.
pub(crate) struct Picks {
    pub(crate) policy: &'static str,
    /// Instructions of a pick; `None` without valgrind.
    pub(crate) instructions: Vec<(usize, Option<u64>)>,
    /// Time to build, and memory of the table, for policies that have one.
    pub(crate) tables: Vec<(usize, Duration, usize)>,
}

fn policies() -> [(&'static str, LbPolicy); 7] {
    let ring = |hash_balance_factor| LbPolicy::RingHash {
        minimum_ring_size: 1024,
        maximum_ring_size: 8_388_608,
        hash_function: HashFunction::XxHash,
        hashing: ConsistentHashing { hash_balance_factor, ..ConsistentHashing::default() },
    };
    let least = |selection| LbPolicy::LeastRequest {
        choice_count: 2,
        active_request_bias: 1.0,
        selection,
        slow_start: None,
    };
    let hashing = ConsistentHashing::default();
    [
        ("round robin", LbPolicy::RoundRobin { slow_start: None }),
        ("least request", least(Selection::NChoices)),
        ("least request, full scan", least(Selection::FullScan)),
        ("random", LbPolicy::Random),
        ("ring hash", ring(None)),
        ("ring hash, bounded load", ring(Some(125))),
        ("Maglev", LbPolicy::Maglev { table_size: 65_537, hashing }),
    ]
}

struct Host(Address);

impl Candidate for Host {
    fn address(&self) -> &Address {
        &self.0
    }
    fn active_requests(&self) -> u32 {
        0
    }
    fn is_eligible(&self) -> bool {
        true
    }
    fn status(&self) -> Option<HealthStatus> {
        Some(HealthStatus::Healthy)
    }
}

fn hosts(count: usize) -> Vec<Host> {
    let ip = |number| Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number);
    (1..).map(|number| Host(SocketAddr::from((ip(number), 8080)).into())).take(count).collect()
}

fn balancer(
    policy: &LbPolicy,
    hosts: &[Host],
    state: &LbState,
    budget: &Arc<TableBudget>,
) -> Balancer {
    let (locality, metadata) = (Locality::default(), Metadata::default());
    let members = hosts.iter().map(|host| Member {
        address: &host.0,
        hostname: "",
        metadata: &metadata,
        locality: &locality,
        locality_weight: 0,
        priority: 0,
        weight: 1,
        health: Health::Healthy,
        age: None,
    });
    let members: Vec<_> = members.collect();
    Balancer::new(&Setup {
        policy,
        common: &CommonLb::default(),
        subsets: None,
        overprovisioning_factor: 140,
        weighted_priority_health: false,
        members: &members,
        own: &locality,
        local: None,
        state,
        before: None,
        budget,
    })
}

/// What valgrind counts.
#[inline(never)]
fn watched_picks(balancer: &Balancer, state: &LbState, hosts: &[Host]) {
    for pick in 0..PICKS {
        let random = pick.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let preference = Preference { hash: Some(random), ..Preference::default() };
        black_box(balancer.pick(state, hosts, preference, random, || 0));
    }
}

/// The process that valgrind watches: `words` are a policy and a number of hosts.
pub(crate) fn run_watched(mut words: impl Iterator<Item = String>) -> Result<()> {
    let policy = words.next().context("a policy")?;
    let hosts = hosts(words.next().context("a number of hosts")?.parse()?);
    let (_, policy) =
        policies().into_iter().find(|(name, _)| *name == policy).context("no policy")?;
    let state = LbState::new(0);
    let balancer = balancer(&policy, &hosts, &state, &Arc::default());
    watched_picks(&balancer, &state, &hosts);
    Ok(())
}

/// Instructions of one pick.
fn count(policy: &str, hosts: usize) -> Result<u64> {
    let profile = tempfile::NamedTempFile::new()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*watched_picks*"])
        .arg(format!("--callgrind-out-file={}", profile.path().display()))
        .arg(std::env::current_exe()?)
        .args([WATCHED, policy, &hosts.to_string()])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let profile = std::fs::read_to_string(profile.path())?;
    ensure!(!profile.contains("malloc"), "a pick of {policy} among {hosts} allocates");
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let all: u64 = totals.context("valgrind says no sum")?.trim().parse()?;
    Ok(all / PICKS)
}

/// Hosts, the shortest time of five, and bytes of the table.
fn build(policy: &LbPolicy, size: usize) -> (usize, Duration, usize) {
    let (hosts, state) = (hosts(size), LbState::new(0));
    let once = |_| {
        let budget = Arc::default();
        let begin = Instant::now();
        let built = balancer(policy, &hosts, &state, &budget);
        let time = begin.elapsed();
        let bytes = budget.used();
        drop(built);
        (time, bytes)
    };
    let (time, bytes) = (0..5).map(once).min().unwrap_or_default();
    (size, time, bytes)
}

pub(crate) fn run() -> Result<Vec<Picks>> {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind {
        say("valgrind is not installed: instructions are left out");
    }
    let mut rows = Vec::new();
    for (name, policy) in policies() {
        let mut row = Picks { policy: name, instructions: Vec::new(), tables: Vec::new() };
        for size in HOSTS {
            let instructions = if has_valgrind { Some(count(name, size)?) } else { None };
            row.instructions.push((size, instructions));
            if matches!(policy, LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. }) {
                row.tables.push(build(&policy, size));
            }
        }
        say(&format!("pick, {name}: {:?}", row.instructions));
        rows.push(row);
    }
    Ok(rows)
}

/// Writing to a `String` cannot fail, hence the ignored results.
pub(crate) fn write(text: &mut String, rows: &[Picks]) {
    if rows.is_empty() {
        return;
    }
    *text += "\n## The pick alone, in instructions\n\nOf the release build, counted by valgrind over 10,000 picks: it \
              repeats exactly. None allocates.\n\n| policy | 3 hosts | 100 | 1,000 | 10,000 |\n|---|--:|--:|--:|--:|\n";
    for row in rows {
        let _ = write!(text, "| {} |", row.policy);
        for (_, instructions) in &row.instructions {
            let _ = match instructions {
                Some(instructions) => write!(text, " {instructions} |"),
                None => write!(text, " - |"),
            };
        }
        text.push('\n');
    }
    *text += "\n## Hash tables\n\n| table | hosts | built in | memory, KiB |\n|---|--:|--:|--:|\n";
    for row in rows {
        for (hosts, time, bytes) in &row.tables {
            let kib = *bytes as f64 / 1024.0;
            let _ = writeln!(text, "| {} | {hosts} | {} | {kib:.1} |", row.policy, shown(*time));
        }
    }
}
