//! Every recorded answer of Envoy's admin interface beside ours: status, content type, keys and types.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use destrier_mock_xds::Changes;
use destrier_testkit::{AnswerTo, RawConn, RawResponse};
use http::Method;
use serde_json::{Value, json};

use super::exceptions::{KEYS, PAGES, Why};
use super::recorded_mesh::{RecordedMesh, clusters, recorded_json, recording, with_resource};
use super::shape::shape;
use crate::mesh::{header, text};

/// One recorded request and its answer.
struct Recorded {
    phase: String,
    method: String,
    path: String,
    status: u16,
    content_type: String,
    body: Body,
}

enum Body {
    Whole(String),
    /// Only its start was recorded, since the rest stands elsewhere: the kind of page is compared.
    Start,
    /// Of no use as text, and left out of the project.
    Omitted,
}

impl Recorded {
    fn read(answer: &Value) -> Result<Option<Self>> {
        let word = |key: &str| answer[key].as_str().map(str::to_owned);
        let (Some(method), Some(path)) = (word("method"), word("path")) else { return Ok(None) };
        let headers = answer["headers"].as_array().context("headers")?;
        let content_type = headers.iter().find(|pair| pair[0] == "content-type");
        let content_type = content_type.and_then(|pair| pair[1].as_str()).unwrap_or_default();
        let body = match (word("body"), word("body_file")) {
            (Some(body), _) => Body::Whole(body),
            (None, Some(file)) => match std::fs::read_to_string(recording(&file)) {
                Ok(body) => Body::Whole(body),
                Err(_) => Body::Omitted,
            },
            (None, None) => Body::Start,
        };
        Ok(Some(Self {
            phase: word("phase").context("a phase")?,
            method,
            path,
            status: u16::try_from(answer["status"].as_u64().context("a status")?)?,
            content_type: content_type.to_owned(),
            body,
        }))
    }

    fn key(&self) -> String {
        format!("{} {} {}", self.phase, self.method, self.path)
    }
}

fn index() -> Result<Vec<Recorded>> {
    let index = recorded_json("index.json")?;
    let answers = index["answers"].as_array().context("answers")?;
    answers.iter().filter_map(|answer| Recorded::read(answer).transpose()).collect()
}

async fn ask(mesh: &RecordedMesh, recorded: &Recorded) -> Result<RawResponse> {
    let mut connection = RawConn::connect(mesh.agent.admin).await?;
    let (method, path) = (&recorded.method, &recorded.path);
    let head = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await?;
    let method = Method::from_bytes(method.as_bytes())?;
    Ok(connection.read_response(AnswerTo::method(&method)).await?)
}

/// What was compared, and what was not and why.
#[derive(Default)]
struct Summary {
    covered: usize,
    excused: BTreeMap<String, BTreeSet<String>>,
    faults: Vec<String>,
    used: BTreeSet<usize>,
}

impl Summary {
    fn compare(&mut self, recorded: &Recorded, ours: &RawResponse) {
        let excuse = PAGES.iter().find(|(key, _)| recorded.key().ends_with(key));
        if let Some((_, why)) = excuse {
            self.excused.entry(why.to_string()).or_default().insert(recorded.key());
            return;
        }
        self.covered += 1;
        let (status, kind) = (ours.head.status.as_u16(), header(ours, "content-type"));
        if (status, kind) != (recorded.status, &*recorded.content_type) {
            let wanted = (recorded.status, &recorded.content_type);
            self.faults.push(format!("{}: {wanted:?}, ours {status} {kind}", recorded.key()));
            return;
        }
        let Body::Whole(body) = &recorded.body else { return };
        let theirs = shape(&recorded.path, &recorded.content_type, body);
        let ours = shape(&recorded.path, kind, &text(ours));
        let differing = theirs.difference(&ours).map(|key| format!("-{key}"));
        for key in differing.chain(ours.difference(&theirs).map(|key| format!("+{key}"))) {
            let excuse = KEYS.iter().position(|(path, pattern, _)| {
                recorded.key().contains(path) && matches(pattern, &key)
            });
            match excuse {
                Some(index) => {
                    self.used.insert(index);
                    let why = KEYS[index].2.to_string();
                    self.excused.entry(why).or_default().insert(format!("key {key}"));
                }
                None => self.faults.push(format!("{}: {key}", recorded.key())),
            }
        }
    }

    fn print(&self) {
        println!("recorded admin answers: {} covered", self.covered);
        for (why, what) in &self.excused {
            println!("  {why}: {}", what.len());
            what.iter().for_each(|one| println!("    {one}"));
        }
    }
}

fn matches(pattern: &str, key: &str) -> bool {
    // Patterns are few and short, and there are many keys: compiling them once would be the larger code.
    regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_page_has_the_recorded_form() -> Result<()> {
    let index = index()?;
    let mut mesh = RecordedMesh::start().await?;
    let mut summary = Summary::default();
    mesh.agent
        .until("clusters that wait", "/lb", |lb| {
            lb["warming"].as_object().is_some_and(|warming| !warming.is_empty())
        })
        .await?;
    let mut phase = "initializing".to_owned();
    for recorded in &index {
        if recorded.phase != phase {
            enter(&mut mesh, &recorded.phase).await?;
            phase.clone_from(&recorded.phase);
        }
        if phase == "xds-updates" {
            before_update(&mesh, recorded).await?;
        }
        let ours = ask(&mesh, recorded).await.with_context(|| recorded.key())?;
        summary.compare(recorded, &ours);
    }
    summary.print();
    assert!(mesh.agent.agent.quit().is_cancelled(), "the last request ends the server");
    assert!(summary.faults.is_empty(), "{}", summary.faults.join("\n"));
    let idle: Vec<_> = (0..KEYS.len())
        .filter(|index| !summary.used.contains(index))
        .map(|at| KEYS[at].1)
        .collect();
    assert!(idle.is_empty(), "exceptions for nothing: {idle:#?}");
    Ok(())
}

async fn enter(mesh: &mut RecordedMesh, phase: &str) -> Result<()> {
    match phase {
        "live" => mesh.send_endpoints().await,
        "after-traffic" => {
            let statuses = mesh.traffic().await?;
            for wanted in [200, 404, 502, 503, 504] {
                assert!(statuses.contains(&wanted), "{wanted}: {statuses:?}");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The updates of the last phase, each before the first page that shows it.
async fn before_update(mesh: &RecordedMesh, recorded: &Recorded) -> Result<()> {
    if recorded.path.ends_with("last_updated") {
        mesh.plane.apply(clusters()?.remove_cluster("BlackHoleCluster"));
        mesh.agent
            .until("the removal", "/lb", |lb| lb["clusters"].get("BlackHoleCluster").is_none())
            .await
    } else if recorded.path.ends_with("cluster_manager%5C.cds") {
        let bad = json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": "outbound|8080||reviews.default.svc.cluster.local",
            "type": "STATIC",
            "lb_policy": "CLUSTER_PROVIDED",
        });
        mesh.plane.apply(with_resource(Changes::new(), "name", &bad)?);
        let page =
            "/config_dump?resource=dynamic_active_clusters&name_regex=.*8080\\%7C\\%7Creviews.*";
        mesh.agent
            .until("the refusal", page, |page| page["configs"][0]["error_state"].is_object())
            .await
    } else {
        Ok(())
    }
}

/// Each reason stands in the summary.
impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waits(issue) => write!(f, "waiting for {issue}"),
            Self::Departs(reason) => write!(f, "departing: {reason}"),
        }
    }
}
