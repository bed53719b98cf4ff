//! Against go-control-plane, a real xDS server: its snapshot and linear caches, in both variants.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use destrier::demo::config::{Ads, bootstrap, http_manager, listener, route, with_control_plane};
use destrier::demo::local::LocalAgent;
use destrier_testkit::{Backend, Load, Pace, Stop};
use serde_json::{Value, json};

use crate::mesh::backends;
use crate::process::say_skipped;

const WEB: &str = "web";

/// The Go program in `tests/interop/plane`; `None` where it cannot be built.
fn program() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/plane");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-plane");
    let go = ["go", "/usr/local/go/bin/go"];
    let builds = |go: &&str| {
        let mut build = Command::new(go);
        build.current_dir(&source).args(["build", "-o"]).arg(&built).arg(".");
        build.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    go.iter().any(builds).then_some(built)
}

/// A running control plane. Dropping it ends it.
struct Plane {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Plane {
    fn start(program: &Path, cache: &str) -> Result<(Self, std::net::SocketAddr)> {
        let mut child = Command::new(program)
            .args(["-cache", cache])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().context("it is piped")?;
        let answers = BufReader::new(child.stdout.take().context("it is piped")?);
        let mut plane = Self { child, commands, answers };
        let address = plane.answer()?.parse()?;
        Ok((plane, address))
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn tell(&mut self, change: &Value) -> Result<()> {
        writeln!(self.commands, "{change}")?;
        let answer = self.answer()?;
        ensure!(answer == "ok", "{change}: {answer}");
        Ok(())
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is served, and what the agent must then show.
struct Step {
    what: &'static str,
    change: Value,
    /// Hosts of the cluster that is used.
    hosts: usize,
    /// Clusters that are live, that one among them.
    live: usize,
}

/// The script: each change is the whole of what is served from then on.
struct Steps {
    ports: Vec<u16>,
    all: Vec<Step>,
}

impl Steps {
    fn serve(
        &mut self,
        what: &'static str,
        services: Vec<Value>,
        (hosts, live): (usize, usize),
    ) -> &mut Self {
        let version = format!("v{}", self.all.len());
        self.serve_as(what, &version, services, (hosts, live))
    }

    fn serve_as(
        &mut self,
        what: &'static str,
        version: &str,
        services: Vec<Value>,
        (hosts, live): (usize, usize),
    ) -> &mut Self {
        let change = json!({ "version": version, "services": services });
        self.all.push(Step { what, change, hosts, live });
        self
    }

    fn host(&self, index: usize) -> Value {
        json!({ "port": self.ports[index] })
    }

    /// The cluster that is used, with the hosts of these numbers.
    fn web(&self, hosts: &[usize]) -> Value {
        let hosts: Vec<_> = hosts.iter().map(|index| self.host(*index)).collect();
        json!({ "name": WEB, "hosts": hosts })
    }

    fn others(&self, count: usize) -> Vec<Value> {
        let other = |index| json!({ "name": format!("other-{index}"), "hosts": [self.host(0)] });
        (0..count).map(other).collect()
    }
}

fn with(mut service: Value, field: &str, value: impl Into<Value>) -> Value {
    service[field] = value.into();
    service
}

fn with_host(mut service: Value, host: usize, field: &str, value: u32) -> Value {
    service["hosts"][host][field] = value.into();
    service
}

/// `core.v3.HealthStatus`.
const UNHEALTHY: u32 = 2;
const DRAINING: u32 = 3;

fn script(backends: &[Backend]) -> Vec<Step> {
    let ports = backends.iter().map(|backend| backend.addr().port()).collect();
    let mut steps = Steps { ports, all: Vec::new() };
    let three = steps.web(&[0, 1, 2]);
    let beside = |web: &Value, others: Vec<Value>| [vec![web.clone()], others].concat();
    steps.serve("three hosts", vec![three.clone()], (3, 1));
    steps.serve("one goes", vec![steps.web(&[0, 1])], (2, 1));
    steps.serve("another comes", vec![steps.web(&[0, 1, 3])], (3, 1));
    steps.serve("all but one are new", vec![steps.web(&[1, 2])], (2, 1));
    steps.serve("weights", vec![with_host(three.clone(), 0, "weight", 5)], (3, 1));
    steps.serve("one is unhealthy", vec![with_host(three.clone(), 1, "health", UNHEALTHY)], (3, 1));
    steps.serve("one drains", vec![with_host(three.clone(), 2, "health", DRAINING)], (3, 1));
    steps.serve("two priorities", vec![with_host(three.clone(), 2, "priority", 1)], (3, 1));
    steps.serve("one priority again", vec![three.clone()], (3, 1));
    for policy in [1, 3, 5, 0] {
        steps.serve("another policy", vec![with(three.clone(), "policy", policy)], (3, 1));
    }
    steps.serve("fifty clusters more", beside(&three, steps.others(50)), (3, 51));
    steps.serve("half of them go", beside(&three, steps.others(25)), (3, 26));
    steps.serve("the same as a new version", beside(&three, steps.others(25)), (3, 26));
    steps.serve_as("back to an old version", "v0", vec![steps.web(&[3])], (1, 1));
    // Without endpoints: the server's snapshot answers only who asks for the endpoints of all its clusters.
    let bad = with(json!({ "name": "bad", "no_endpoints": true }), "bad", true);
    steps.serve("a bad cluster beside it", beside(&three, vec![bad]), (3, 1));
    steps.serve(
        "it is repaired",
        beside(&three, vec![json!({ "name": "bad", "hosts": [] })]),
        (3, 2),
    );
    steps.serve("the used one turns bad", vec![with(steps.web(&[0]), "bad", true)], (1, 1));
    steps.serve("and is repaired", vec![steps.web(&[0, 1, 2, 3])], (4, 1));
    let renamed = with(steps.web(&[1, 3]), "eds", "elsewhere");
    steps.serve("endpoints by another name", vec![renamed], (2, 1));
    steps.serve("by the old one again", vec![three.clone()], (3, 1));
    let silent = json!({ "name": "silent", "no_endpoints": true });
    steps.serve("a cluster whose endpoints never come", beside(&three, vec![silent]), (3, 1));
    steps.serve(
        "they come",
        beside(&three, vec![json!({ "name": "silent", "hosts": [] })]),
        (3, 2),
    );
    steps.all.push(Step {
        what: "the server starts anew",
        change: json!({ "restart": true }),
        hosts: 3,
        live: 2,
    });
    steps.serve("a change after that", vec![steps.web(&[2, 3])], (2, 1));
    steps.all
}

async fn play(program: &Path, cache: &str, ads: Ads) -> Result<()> {
    let backends = backends(["a", "b", "c", "d"])?;
    let (mut plane, at) = Plane::start(program, cache)?;
    let mut steps = script(&backends).into_iter();
    let first = steps.next().context("there are steps")?;
    plane.tell(&first.change)?;
    let routes = [route("/", WEB)];
    let plain = bootstrap(&[listener("http", &http_manager("ingress", &routes))], &[]);
    let agent = LocalAgent::start(&with_control_plane(plain, at, ads))?;
    agent.ready().await?;
    let load = Load {
        pace: Pace::PerSecond(100.try_into()?),
        stop: Stop::WhenTold,
        ..Load::to(agent.entry())
    };
    let load = load.start();
    let mut played = 1;
    for step in steps {
        let what = format!("{cache}, {ads:?}: {}", step.what);
        plane.tell(&step.change).with_context(|| what.clone())?;
        agent
            .until(&what, "/lb", |lb| {
                let clusters = lb["clusters"].as_object();
                let hosts = &lb["clusters"][WEB]["hosts"];
                clusters.is_some_and(|clusters| clusters.len() == step.live + 1)
                    && hosts.as_object().is_some_and(|hosts| hosts.len() == step.hosts)
            })
            .await?;
        for _ in 0..5 {
            let status = agent.get("/", "").await?.head.status;
            ensure!(status == 200, "{what}: {status}");
        }
        played += 1;
    }
    let report = load.stop().await?;
    ensure!(report.failed() == 0 && report.ok() == report.answers(), "{:?}", report.failures);
    ensure!(played >= 20, "{played} steps");
    // Two bad clusters. The server answers each NACK in state of the world with the same again.
    let rejected = agent.stat("cluster_manager.cds.update_rejected").await?;
    ensure!((2..20).contains(&rejected), "{cache}, {ads:?}: {rejected} NACKs");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v09_go_control_plane_is_followed_through_a_script_of_changes() -> Result<()> {
    let Some(program) = tokio::task::spawn_blocking(program).await? else {
        say_skipped("go-control-plane: Go, or its modules, cannot be had here")?;
        return Ok(());
    };
    let runs = [
        ("snapshot", Ads::Delta),
        ("snapshot", Ads::StateOfTheWorld),
        ("linear", Ads::Delta),
        ("linear", Ads::StateOfTheWorld),
    ];
    let runs = runs.map(|(cache, ads)| play(&program, cache, ads));
    for played in futures_util::future::join_all(runs).await {
        played?;
    }
    Ok(())
}
