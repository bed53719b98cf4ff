//! Pages that change something: what they change, and that nothing else does.

use anyhow::{Context, Result};
use destrier::demo::config::{http_manager, listener, route, static_cluster};
use destrier::demo::local::request;
use destrier_testkit::RawConn;
use serde_json::json;

use super::post;
use crate::mesh::{addresses, backends, static_agent, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_health_check_is_told_until_it_passes_again() -> Result<()> {
    let agent = static_agent(&[], &[]).await?;
    assert_eq!(text(&post(agent.admin, "/healthcheck/fail").await?), "OK\n");
    let ready = request(agent.admin, "/ready", "").await?;
    assert_eq!((ready.head.status.as_u16(), &*text(&ready)), (503, "DRAINING\n"));
    assert_eq!(agent.stat("server.state").await?, 1);
    post(agent.admin, "/healthcheck/ok").await?;
    assert_eq!(text(&request(agent.admin, "/ready", "").await?), "LIVE\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_begin_again_and_gauges_stay() -> Result<()> {
    let backends = backends(["a"])?;
    let agent = static_agent(
        &[listener("http", &http_manager("ingress", &[route("/", "service")]))],
        &[static_cluster("service", &addresses(&backends))],
    )
    .await?;
    for _ in 0..3 {
        assert_eq!(agent.get("/", "").await?.head.status, 200);
    }
    assert_eq!(agent.stat("cluster.service.upstream_rq_200").await?, 3);
    post(agent.admin, "/reset_counters").await?;
    for name in ["cluster.service.upstream_rq_200", "http.ingress.downstream_rq_total"] {
        assert_eq!(agent.stat(name).await?, 0, "{name}");
    }
    assert_eq!(agent.stat("cluster.service.membership_total").await?, 1);
    assert_eq!(agent.stat("cluster.service.upstream_cx_active").await?, 1);
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    assert_eq!(agent.stat("cluster.service.upstream_rq_200").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inbound_listeners_are_drained_alone() -> Result<()> {
    let backends = backends(["a"])?;
    let of = |name: &str, direction: &str| {
        let mut one = listener(name, &http_manager(name, &[route("/", "service")]));
        one["traffic_direction"] = json!(direction);
        one
    };
    let agent = static_agent(
        &[of("in", "INBOUND"), of("out", "OUTBOUND")],
        &[static_cluster("service", &addresses(&backends))],
    )
    .await?;
    let (inbound, outbound) = (agent.entries[0], agent.entries[1]);
    // Only asked to leave: connections are still taken, and closed after an answer.
    post(agent.admin, "/drain_listeners?inboundonly&skip_exit").await?;
    let asked = keeps_open(inbound).await?;
    assert!(!asked, "an answer of the inbound listener says that the connection ends");
    assert!(keeps_open(outbound).await?);
    post(agent.admin, "/drain_listeners?inboundonly").await?;
    let refused = async {
        while RawConn::connect(inbound).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::mesh::PATIENCE, refused).await.context("it still listens")?;
    assert!(keeps_open(outbound).await?);
    assert_eq!(text(&request(agent.admin, "/ready", "").await?), "LIVE\n");
    Ok(())
}

/// Whether the connection is to be used again after an answer.
async fn keeps_open(at: std::net::SocketAddr) -> Result<bool> {
    use destrier_testkit::AnswerTo;
    let mut connection = RawConn::connect(at).await?;
    connection.send(b"GET / HTTP/1.1\r\nhost: demo\r\n\r\n").await?;
    let answer = connection.read_response(AnswerTo::method(&http::Method::GET)).await?;
    assert_eq!(answer.head.status, 200);
    Ok(crate::mesh::header(&answer, "connection") != "close")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_home_page_names_what_is_unwell_and_links_every_page() -> Result<()> {
    let agent = static_agent(&[], &[static_cluster("<empty>", &[])]).await?;
    let page = text(&request(agent.admin, "/", "").await?);
    assert!(page.contains("&lt;empty&gt;") && !page.contains("<empty>"), "{page}");
    assert!(page.contains("takes no request: there are no endpoints"), "{page}");
    assert!(page.contains("State</th><td>LIVE"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let help = text(&request(agent.admin, "/help", "").await?);
    for line in help.lines().filter_map(|line| line.strip_prefix("  /")) {
        let path = line.split([':', ' ']).next().unwrap_or_default();
        let link = format!("href=\"/{path}\"");
        assert!(path.is_empty() || page.contains(&link) || page.contains(&format!("POST /{path}")));
        if !path.is_empty() && page.contains(&link) {
            let shown = request(agent.admin, &format!("/{path}"), "").await?;
            assert!(shown.head.status != 404, "/{path}");
        }
    }
    Ok(())
}
