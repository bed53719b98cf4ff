//! The demo for somebody who watches: addresses, commands to try, and changes while load flows.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use destrier_mock_xds::{Changes, endpoints};
use destrier_testkit::{Backend, Fault, Load, Pace, Protocol, Report, Stop};
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;

use super::mesh::{Mesh, REVIEWS, SUBSET, limited};
use super::say;

/// Time to look at each change.
const SCENE: Duration = Duration::from_secs(4);

pub(super) async fn run() -> Result<()> {
    let mut mesh = Mesh::start().await?;
    greet(&mesh);
    let stopped = async {
        // Without a signal handler the demo simply goes on.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            played = play(&mut mesh) => played?,
            () = &mut stopped => break,
        }
    }
    say("\nEnding: requests in flight finish first.");
    mesh.local.agent.drain(Duration::from_secs(5)).await;
    Ok(())
}

fn greet(mesh: &Mesh) {
    let (entry, admin) = (mesh.local.entry(), mesh.local.admin);
    say("Destrier runs, with a control plane and three backends, all in this process.\n");
    say(&format!("  requests       http://{entry}/"));
    say(&format!("  admin          http://{admin}/help"));
    for backend in &mesh.backends {
        say(&format!("  backend        {}", backend.addr()));
    }
    say("\nTry in another terminal:\n");
    say(&format!("  curl -i http://{entry}/                        one backend after the other"));
    say(&format!(
        "  curl -i -H 'x-subset: v1' http://{entry}/      the subset: one backend, own policy"
    ));
    say(&format!(
        "  curl -s http://{admin}/lb                      how each cluster balances, and why"
    ));
    say(&format!("  curl -s http://{admin}/breakers                limits and what is in use"));
    say(&format!("  curl -s http://{admin}/clusters                hosts, as Envoy shows them"));
    say(&format!("  curl -s '{admin}/config_dump?include_eds'      what the control plane sent"));
    say(&format!("  curl -s '{admin}/stats?usedonly&filter=reviews'"));
    say("\nMeanwhile things change, under 200 requests a second. Ctrl-C ends.");
}

/// One round of changes; ends where it began.
async fn play(mesh: &mut Mesh) -> Result<()> {
    say("");
    scene(mesh, "", "three endpoints, round robin").await?;
    mesh.control_plane.apply(Changes::new().endpoints(&endpoints(REVIEWS, &mesh.addresses(2))));
    scene(mesh, "", "reviews-c was taken out by the control plane").await?;
    mesh.backends.push(Backend::start("reviews-d", SocketAddr::from(([127, 0, 0, 1], 0)))?);
    mesh.control_plane.apply(Changes::new().endpoints(&endpoints(REVIEWS, &mesh.addresses(4))));
    scene(mesh, "", "it is back, and reviews-d is new").await?;
    let mut subset = limited(SUBSET, 2);
    subset.lb_policy = LbPolicy::LeastRequest.into();
    mesh.control_plane.apply(Changes::new().cluster(&subset));
    first(mesh)?.update(|behaviour| behaviour.delay = Duration::from_millis(50));
    scene(mesh, "v1", "subset v1: max_requests 2 and a slow backend; the rest is refused at once")
        .await?;
    first(mesh)?.update(|behaviour| behaviour.delay = Duration::ZERO);
    first(mesh)?.update(|behaviour| behaviour.fault = Fault::ResetBeforeHead);
    scene(mesh, "", "reviews-a is broken: it resets every request").await?;
    first(mesh)?.update(|behaviour| behaviour.fault = Fault::None);
    mesh.control_plane.stop().await;
    scene(mesh, "", "the control plane is gone; nothing changes for requests").await?;
    mesh.control_plane.restart().await?;
    mesh.backends.truncate(3);
    mesh.control_plane.apply(
        Changes::new()
            .cluster(&limited(SUBSET, 1024))
            .endpoints(&endpoints(REVIEWS, &mesh.addresses(3))),
    );
    Ok(())
}

fn first(mesh: &Mesh) -> Result<&Backend> {
    mesh.backends.first().context("there are backends")
}

/// Says what changed, lets load flow for a while, and says who answered it.
async fn scene(mesh: &Mesh, subset: &'static str, text: &str) -> Result<()> {
    let mut load = Load {
        protocol: Protocol::Http1 { connections: 16 },
        pace: Pace::PerSecond(200.try_into()?),
        stop: Stop::In(SCENE),
        count_by: Some(http::HeaderName::from_static("x-backend")),
        ..Load::to(mesh.local.entry())
    };
    if !subset.is_empty() {
        load.headers.insert("x-subset", http::HeaderValue::from_static(subset));
    }
    let report = load.run().await?;
    say(&format!("* {text}\n    {}", summary(&report)));
    Ok(())
}

fn summary(report: &Report) -> String {
    let pairs = |map: &mut dyn Iterator<Item = (String, u64)>| {
        map.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let statuses =
        pairs(&mut report.statuses.iter().map(|(status, count)| (status.to_string(), *count)));
    let backends = pairs(&mut report.by_header.iter().map(|(name, count)| (name.clone(), *count)));
    format!("answers by status: {statuses}; by backend: {backends}")
}
