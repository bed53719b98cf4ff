//! Streams that break.

use std::time::Duration;

use anyhow::{Context as _, Result};
use destrier::demo::config::{Ads, route};
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{Changes, MockXds, Script, eds_cluster, endpoints};
use destrier_testkit::h2::{Frame, RawH2, kind};
use destrier_testkit::{Load, Pace, RawConn, RawPeer, Stop};
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use serde_json::json;
use tonic::Status;

use super::{GOOD, Siege};
use crate::mesh::{addresses, backends, loopback, mesh_bootstrap, text};
use crate::process::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v07_v20_streams_that_end_harm_no_request() -> Result<()> {
    let mut siege = Siege::begin().await?;
    siege.plane.set_script(Script::new().close_after(1, Status::unavailable("one is enough")));
    siege.plane.drop_connections();
    siege.home_says(&["one is enough"]).await?;
    siege.plane.set_script(Script::new());
    siege.is_followed("a server that answers once").await?;
    siege.plane.drop_connections();
    siege.is_followed("a connection that was cut").await?;
    siege.end().await
}

/// What an HTTP/2 server does with the stream of the agent.
#[derive(Clone, Copy)]
enum Rude {
    /// Announces 300 MB.
    Length,
    /// Says that a message is compressed, though nobody agreed to that.
    Compressed,
    /// Is no gRPC server at all.
    Page,
    /// Is out of order.
    Status,
}

async fn answer(conn: RawConn, rude: Rude) -> std::io::Result<()> {
    let mut raw = RawH2::accept(conn, &[]).await?;
    let Some(asked) = raw.find(|frame| frame.kind == kind::HEADERS).await? else { return Ok(()) };
    let head = |kind: &str, status: &str| {
        Frame::headers(asked.stream, &[(":status", status), ("content-type", kind)])
    };
    let frames = match rude {
        Rude::Length => {
            let prefix = [&[0][..], &300_000_000_u32.to_be_bytes(), b"only this"].concat();
            vec![head("application/grpc", "200"), Frame::data(asked.stream, prefix)]
        }
        Rude::Compressed => {
            let message = [&[1][..], &4_u32.to_be_bytes(), b"gzip"].concat();
            vec![head("application/grpc", "200"), Frame::data(asked.stream, message)]
        }
        Rude::Page => {
            vec![head("text/html", "200"), Frame::data(asked.stream, "<html>a proxy's page</html>")]
        }
        Rude::Status => vec![head("text/plain", "503")],
    };
    raw.send(&frames).await?;
    // The agent must be the one who gives up.
    while raw.next().await?.is_some() {}
    Ok(())
}

/// Starts an agent whose first control plane is rude and whose second one is good: it must give up the
/// first within five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v05_v37_v38_rude_servers_are_given_up() -> Result<()> {
    for (rude, reason) in [
        (Rude::Length, "300000000"),
        (Rude::Compressed, "compress"),
        (Rude::Page, "content-type"),
        (Rude::Status, "503"),
    ] {
        let server = RawPeer::start(loopback(), move |conn| answer(conn, rude))?;
        let backends = backends(["a"])?;
        let plane = MockXds::start_local().await?;
        let hosts = endpoints(GOOD, &addresses(&backends));
        plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&hosts));
        let mut bootstrap = mesh_bootstrap(&plane, Ads::Delta, &[route("/", GOOD)])?;
        let services = &mut bootstrap["dynamic_resources"]["ads_config"]["grpc_services"];
        let rude_one = json!({
            "google_grpc": { "target_uri": server.addr().to_string(), "stat_prefix": "rude" },
        });
        let second = services[0].clone();
        *services = json!([rude_one, second]);
        let begin = tokio::time::Instant::now();
        let agent = LocalAgent::start(&bootstrap)?;
        agent.ready().await?;
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{reason}: it took {:?}",
            begin.elapsed()
        );
        assert_eq!(agent.get("/", "").await?.head.status, 200);
        let admin =
            agent.agent.admin().and_then(|address| address.ip()).context("it has a port")?;
        let page = text(&request(admin, "/", "").await?);
        assert!(page.contains(reason), "{reason}: {page}");
    }
    Ok(())
}

/// A message of 100 MB that is good: what it takes for a moment is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v04_a_very_large_message_takes_four_times_its_size_at_most() -> Result<()> {
    const CLUSTERS: usize = 2500;
    const PADDING: usize = 40_000;
    let plane = MockXds::start_local().await?;
    let backends = backends(["a"])?;
    let hosts = endpoints(GOOD, &addresses(&backends));
    plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&hosts));
    let bootstrap = mesh_bootstrap(&plane, Ads::Delta, &[route("/", GOOD)])?;
    let program = Program::start(bootstrap, &[])?;
    let entry = program.ready().await?;
    let load =
        Load { pace: Pace::PerSecond(100.try_into()?), stop: Stop::WhenTold, ..Load::to(entry) };
    let load = load.start();
    let before = program.peak_memory()?;
    let large = (0..CLUSTERS).fold(Changes::new(), |changes, index| {
        let mut cluster = eds_cluster(&format!("large-{index}"));
        cluster.cluster_discovery_type =
            Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into()));
        cluster.eds_cluster_config = None;
        cluster.alt_stat_name = "x".repeat(PADDING);
        changes.cluster(&cluster)
    });
    plane.apply(large);
    let last = format!("large-{}::", CLUSTERS - 1);
    let begin = tokio::time::Instant::now();
    while !program.admin("GET", "/clusters").await?.contains(&last) {
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(60), "it is not in force");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let grown = program.peak_memory()?.saturating_sub(before);
    let size = (CLUSTERS * PADDING) as u64;
    println!("a message of {} MB took {} MB", size >> 20, grown >> 20);
    anyhow::ensure!(grown <= 4 * size, "{grown} bytes for {size}");
    let report = load.stop().await?;
    anyhow::ensure!(
        report.failed() == 0 && report.ok() == report.answers(),
        "{:?}",
        report.failures
    );
    Ok(())
}
