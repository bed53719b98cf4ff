//! Clusters whose endpoints are names.

use anyhow::Result;
use destrier::demo::config::{http_manager, listener, route, static_cluster};
use serde_json::Value;

use crate::mesh::{addresses, backends, header, static_agent};

/// A cluster whose one endpoint is `localhost` with the port of the backend.
fn by_name(kind: &str, port: u16) -> Value {
    let mut cluster = static_cluster(kind, &[([127, 0, 0, 1], port).into()]);
    cluster["type"] = kind.into();
    cluster["dns_lookup_family"] = "V4_ONLY".into();
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        ["address"] = "localhost".into();
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_of_names_serve_once_their_names_are_resolved() -> Result<()> {
    let backends = backends(["a"])?;
    let port = addresses(&backends)[0].port();
    let routes = [route("/strict", "STRICT_DNS"), route("/logical", "LOGICAL_DNS")];
    let agent = static_agent(
        &[listener("http", &http_manager("ingress", &routes))],
        &[by_name("STRICT_DNS", port), by_name("LOGICAL_DNS", port)],
    )
    .await?;
    // Readiness waited for the names, so the first request is answered.
    for path in ["/strict", "/logical"] {
        let answer = agent.get(path, "").await?;
        assert_eq!(answer.head.status, 200, "{path}");
        assert_eq!(header(&answer, "x-backend"), "a");
    }
    for cluster in ["STRICT_DNS", "LOGICAL_DNS"] {
        agent.until_hosts(cluster, 1).await?;
    }
    let shown = agent.admin_json("/clusters?format=json").await?;
    let statuses = shown["cluster_statuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(statuses.len(), 2);
    for status in statuses {
        let host = &status["host_statuses"][0];
        assert_eq!(host["address"]["socket_address"]["port_value"], port);
        assert_eq!(host["hostname"], "localhost", "{status}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_does_not_resolve_leaves_the_cluster_without_hosts() -> Result<()> {
    let mut nowhere = by_name("STRICT_DNS", 80);
    // RFC 6761: names below `invalid` never resolve.
    nowhere["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        ["address"] = "nowhere.invalid".into();
    let agent = static_agent(
        &[listener("http", &http_manager("ingress", &[route("/", "STRICT_DNS")]))],
        &[nowhere],
    )
    .await?;
    let answer = agent.get("/", "").await?;
    assert_eq!((answer.head.status.as_u16(), &*answer.body), (503, &b"no healthy upstream"[..]));
    Ok(())
}
