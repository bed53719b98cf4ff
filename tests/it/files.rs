//! Clusters and endpoints from files: replaced, relinked, broken.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;
use destrier::demo::config::{bootstrap, http_manager, listener, route, static_cluster};
use destrier::demo::local::LocalAgent;
use destrier_testkit::{Load, Protocol, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mesh::{addresses, backends, header, mesh_bootstrap, until, until_answer};

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

fn response(version: &str, resources: &[Value]) -> String {
    json!({ "version_info": version, "resources": resources }).to_string()
}

/// A cluster whose one host stands in it.
fn fixed(name: &str, at: SocketAddr) -> Value {
    let mut cluster = static_cluster(name, &[at]);
    cluster["@type"] = CLUSTER.into();
    cluster
}

fn eds(name: &str, file: &Path) -> Value {
    json!({ "@type": CLUSTER, "name": name, "type": "EDS", "eds_cluster_config": {
        "service_name": "service", "eds_config": { "path_config_source": { "path": file } } } })
}

fn assignment(at: SocketAddr) -> Value {
    let address = json!({ "socket_address": {
        "address": at.ip().to_string(), "port_value": at.port() } });
    json!({ "@type": ENDPOINTS, "cluster_name": "service", "endpoints": [
        { "lb_endpoints": [{ "endpoint": { "address": address } }] }] })
}

/// Puts a whole file in the place of the one before, as careful writers do.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(new, path)?)
}

fn look_often(mut bootstrap: Value) -> Value {
    bootstrap["layered_runtime"] = json!({ "layers": [{ "name": "files", "static_layer": {
        "destrier.file_poll_interval": "0.01s" } }] });
    bootstrap
}

async fn agent(clusters: &Path, routes: &[Value]) -> Result<LocalAgent> {
    let mut plain = look_often(bootstrap(&[listener("http", &http_manager("in", routes))], &[]));
    plain["dynamic_resources"] =
        json!({ "cds_config": { "path_config_source": { "path": clusters } } });
    let agent = LocalAgent::start(&plain)?;
    agent.ready().await?;
    Ok(agent)
}

async fn count(agent: &LocalAgent, name: &str) -> Result<u64> {
    agent.stat(name).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_is_in_force_and_no_request_notices() -> Result<()> {
    let directory = TempDir::new()?;
    let (clusters, endpoints) =
        (directory.path().join("cds.yaml"), directory.path().join("eds.json"));
    let hosts = backends(["a", "b"])?;
    let at = addresses(&hosts);
    replace(&endpoints, &response("1", &[assignment(at[0])]))?;
    replace(&clusters, &response("1", &[eds("c", &endpoints)]))?;
    let agent = agent(&clusters, &[route("/", "c")]).await?;
    let load = Load {
        protocol: Protocol::Http1 { connections: 2 },
        stop: Stop::WhenTold,
        ..Load::to(agent.entry())
    };
    let running = load.start();
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "a").await?;
    replace(&endpoints, &response("2", &[assignment(at[1])]))?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "b").await?;
    // Of endpoints, absence says nothing.
    replace(&endpoints, &response("3", &[]))?;
    replace(&clusters, &response("2", &[eds("c", &endpoints), fixed("d", at[0])]))?;
    until("the second cluster", || agent.agent.directory().load().get("d").is_some()).await?;
    assert_eq!(header(&agent.get("/", "").await?, "x-backend"), "b");
    // Of clusters, absence is removal.
    replace(&clusters, &response("3", &[eds("c", &endpoints)]))?;
    until("its end", || agent.agent.directory().load().get("d").is_none()).await?;
    let report = running.stop().await?;
    assert_eq!((report.failed(), report.answers() - report.ok()), (0, 0), "{report:?}");
    assert_eq!(count(&agent, "cluster_manager.cds.update_success").await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_link_above_the_file_is_a_change() -> Result<()> {
    let directory = TempDir::new()?;
    let hosts = backends(["a", "b"])?;
    // As Kubernetes mounts a ConfigMap: the file is a link into `..data`, which is one itself.
    for (version, at) in addresses(&hosts).into_iter().enumerate() {
        let real = directory.path().join(format!("..v{version}"));
        std::fs::create_dir(&real)?;
        std::fs::write(real.join("cds.yaml"), response(&version.to_string(), &[fixed("c", at)]))?;
    }
    let data = directory.path().join("..data");
    symlink("..v0", &data)?;
    let clusters = directory.path().join("cds.yaml");
    symlink("..data/cds.yaml", &clusters)?;
    let agent = agent(&clusters, &[route("/", "c")]).await?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "a").await?;
    let new = directory.path().join("..data_tmp");
    symlink("..v1", &new)?;
    std::fs::rename(new, data)?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "b").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_keeps_what_it_said_and_a_bad_resource_costs_itself() -> Result<()> {
    let directory = TempDir::new()?;
    let clusters = directory.path().join("cds.yaml");
    let hosts = backends(["a", "b"])?;
    let at = addresses(&hosts);
    replace(&clusters, &response("1", &[fixed("c", at[0]), fixed("d", at[0])]))?;
    let agent = agent(&clusters, &[route("/d", "d"), route("/", "c")]).await?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "a").await?;
    let wrong_type = json!({ "type_url": ENDPOINTS, "resources": [] }).to_string();
    for (rejected, bad) in (1..).zip(["resources: [", wrong_type.as_str(), "no object"]) {
        replace(&clusters, bad)?;
        agent
            .until("the refusal", "/stats?format=json&filter=cds.update_rejected", |page| {
                page["stats"][0]["value"] == rejected
            })
            .await?;
        assert_eq!(header(&agent.get("/", "").await?, "x-backend"), "a");
    }
    std::fs::remove_file(&clusters)?;
    agent
        .until("the loss", "/stats?format=json&filter=cds.update_failure", |page| {
            page["stats"][0]["value"] == 1
        })
        .await?;
    // One bad cluster, of which the last good version stays; the other one changes.
    let mut bad = fixed("d", at[1]);
    bad["no_such_field"] = 1.into();
    replace(&clusters, &response("2", &[bad, fixed("c", at[1])]))?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "b").await?;
    assert_eq!(header(&agent.get("/d", "").await?, "x-backend"), "a");
    assert_eq!(count(&agent, "cluster_manager.cds.update_rejected").await?, 4);
    let shown = agent.admin_json("/files").await?["files"][0].clone();
    assert_eq!(shown["path"], json!(clusters));
    let error = shown["error"].as_str().unwrap_or_default();
    assert!(error.contains("d: resources[0]: ") && error.contains("no_such_field"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_cluster_gets_the_endpoints_from_the_source_that_it_names() -> Result<()> {
    use destrier::demo::config::Ads;
    use destrier_mock_xds::{Changes, Listen, MockXds, eds_cluster, endpoints};

    let directory = TempDir::new()?;
    let file = directory.path().join("eds.yaml");
    let hosts = backends(["a", "b"])?;
    let at = addresses(&hosts);
    replace(&file, &response("1", &[assignment(at[1])]))?;
    let plane = MockXds::start(Listen::Tcp(crate::mesh::loopback())).await?;
    // Both ask for the same name.
    plane.apply(
        Changes::new().cluster(&eds_cluster("service")).endpoints(&endpoints("service", &at[..1])),
    );
    let routes = [route("/file", "filed"), route("/", "service")];
    let mut bootstrap = look_often(mesh_bootstrap(&plane, Ads::Delta, &routes)?);
    let mut filed = eds("filed", &file);
    filed.as_object_mut().expect("a cluster is an object").remove("@type");
    bootstrap["static_resources"]["clusters"]
        .as_array_mut()
        .expect("a list of clusters")
        .push(filed);
    let agent = LocalAgent::start(&bootstrap)?;
    agent.ready().await?;
    until_answer(&agent, "/", |answer| header(answer, "x-backend") == "a").await?;
    until_answer(&agent, "/file", |answer| header(answer, "x-backend") == "b").await?;
    Ok(())
}
