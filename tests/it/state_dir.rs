//! `--state-dir`: a start without a control plane begins with what the last one said.

use std::path::Path;

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, route};
use destrier::demo::local::LocalAgent;
use destrier_files::state;
use destrier_mock_xds::{Behaviour, Changes, Listen, MockXds, eds_cluster, endpoints};
use serde_json::Value;
use tempfile::TempDir;

use crate::mesh::{addresses, backends, header, loopback, mesh_bootstrap, until, until_answer};

const SERVICE: &str = "outbound|80||service.demo.svc.cluster.local";
const OLD: &str = "outbound|80||old.demo.svc.cluster.local";

/// An agent that waits for the control plane no longer than it must.
fn agent(bootstrap: &Value, directory: &Path) -> Result<LocalAgent> {
    let directory = directory.to_str().context("temporary paths are text")?;
    LocalAgent::start_with(bootstrap, &["--state-dir", directory, "--state-wait", "0"])
}

/// An agent saw two clusters and ended, and the control plane ended after it.
async fn ended(directory: &Path) -> Result<(MockXds, Vec<destrier_testkit::Backend>, Value)> {
    let hosts = backends(["a", "b"])?;
    let at = addresses(&hosts);
    let plane = MockXds::start_like(Behaviour::istiod(), Listen::Tcp(loopback())).await?;
    let both = Changes::new().cluster(&eds_cluster(SERVICE)).cluster(&eds_cluster(OLD));
    let both = both.endpoints(&endpoints(SERVICE, &at[..1]));
    plane.apply(both.endpoints(&endpoints(OLD, &at[..1])));
    let bootstrap = mesh_bootstrap(&plane, Ads::Delta, &[route("/", SERVICE)])?;
    let first = agent(&bootstrap, directory)?;
    first.ready().await?;
    until_answer(&first, "/", |answer| header(answer, "x-backend") == "a").await?;
    first
        .until("both", "/lb", |lb| {
            let ready = |name: &str| {
                lb["clusters"][name]["hosts"].as_object().is_some_and(|it| it.len() == 1)
            };
            ready(SERVICE) && ready(OLD)
        })
        .await?;
    // What is not written yet is written at the end.
    tokio::task::spawn_blocking(move || drop(first)).await?;
    plane.stop().await;
    Ok((plane, hosts, bootstrap))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_state_serves_until_the_control_plane_is_back_and_replaces_it() -> Result<()>
{
    let directory = TempDir::new()?;
    let (plane, hosts, bootstrap) = ended(directory.path()).await?;
    let second = agent(&bootstrap, directory.path())?;
    second.ready().await?;
    assert_eq!(header(&second.get("/", "").await?, "x-backend"), "a");
    assert_eq!(second.stat("destrier.state.stale").await?, 1);
    let shown = second.admin_json("/files").await?["state"].clone();
    assert!(shown["stale"] == true && shown["age_s"].is_u64(), "{shown}");
    assert!(second.agent.directory().load().get(OLD).is_some());

    // Meanwhile one cluster has gone and the other moved.
    let at = addresses(&hosts);
    plane.replace(
        Changes::new().cluster(&eds_cluster(SERVICE)).endpoints(&endpoints(SERVICE, &at[1..])),
    );
    plane.restart().await?;
    until_answer(&second, "/", |answer| header(answer, "x-backend") == "b").await?;
    until("what is not mentioned goes", || second.agent.directory().load().get(OLD).is_none())
        .await?;
    assert_eq!(second.stat("destrier.state.stale").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_corrupt_or_newer_is_refused_and_the_start_goes_on() -> Result<()> {
    let directory = TempDir::new()?;
    let (plane, _hosts, bootstrap) = ended(directory.path()).await?;
    let path = directory.path().join("last-good");
    let mut bytes = std::fs::read(&path)?;
    *bytes.last_mut().context("it is not empty")? ^= 1;
    let mut newer = bytes.clone();
    newer[b"destrier-state\n".len()] = 9;
    for bad in [&bytes[..], &newer, &bytes[..40], b"something else"] {
        std::fs::write(&path, bad)?;
        let second = agent(&bootstrap, directory.path())?;
        second
            .until("the refusal", "/stats?format=json&filter=destrier.state.refused", |page| {
                page["stats"][0]["value"] == 1
            })
            .await?;
        assert_eq!(second.stat("destrier.state.stale").await?, 0);
        tokio::task::spawn_blocking(move || drop(second)).await?;
    }
    plane.restart().await?;
    let third = agent(&bootstrap, directory.path())?;
    third.ready().await?;
    until_answer(&third, "/", |answer| header(answer, "x-backend") == "a").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_on_disk_while_the_agent_runs() -> Result<()> {
    let directory = TempDir::new()?;
    let hosts = backends(["a"])?;
    let plane = MockXds::start_like(Behaviour::istiod(), Listen::Tcp(loopback())).await?;
    let one = Changes::new().cluster(&eds_cluster(SERVICE));
    plane.apply(one.endpoints(&endpoints(SERVICE, &addresses(&hosts))));
    let bootstrap = mesh_bootstrap(&plane, Ads::StateOfTheWorld, &[route("/", SERVICE)])?;
    let first = agent(&bootstrap, directory.path())?;
    first.ready().await?;
    until("cluster and endpoints on disk", || {
        let saved = state::read(directory.path()).ok().flatten();
        saved.is_some_and(|saved| saved.resources.len() == 2)
    })
    .await?;
    // What an agent that is killed now leaves behind.
    let left = TempDir::new()?;
    std::fs::copy(directory.path().join("last-good"), left.path().join("last-good"))?;
    plane.stop().await;
    let second = agent(&bootstrap, left.path())?;
    second.ready().await?;
    assert_eq!(header(&second.get("/", "").await?, "x-backend"), "a");
    Ok(())
}
