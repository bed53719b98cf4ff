//! The program: flags, what it refuses and how it says so, signals and exit status.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use destrier::demo::config::{bootstrap, http_manager, listener, route, static_cluster};
use destrier_testkit::{AnswerTo, Gate, RawConn};
use http::Method;
use serde_json::{Value, json};

use crate::mesh::{addresses, backends, loopback};
use crate::process::{Program, run};

fn good(admin_port: u16) -> Value {
    let mut bootstrap = bootstrap(
        &[listener("http", &http_manager("ingress", &[route("/", "service")]))],
        &[static_cluster("service", &[loopback()])],
    );
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = admin_port.into();
    bootstrap
}

/// One line on standard error with these words, nothing on standard output, exit status 1.
fn assert_refused(line: &[&str], words: &[&str]) -> Result<()> {
    let output = run(line)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{line:?}: {said}");
    assert!(output.stdout.is_empty(), "{line:?}");
    for word in words {
        assert!(said.contains(word), "{line:?} does not name {word}: {said}");
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("temporary folders have plain names")?.to_owned())
}

#[test]
fn flags_and_files_that_cannot_be_used_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    assert_refused(&["--no-such-flag"], &["--no-such-flag"])?;
    assert_refused(&["--mode", "guess"], &["--mode", "guess"])?;
    assert_refused(&[], &["--config-path"])?;
    let absent = folder.path().join("absent.yaml");
    let absent = absent.to_str().context("plain")?;
    assert_refused(&["-c", absent], &["--config-path", absent, "No such file"])?;
    let yaml =
        "admin:\n  address:\n    socket_address: { address: 127.0.0.1, port_value: 0 }\n  bad: [\n";
    let file = write(folder.path(), "bad.yaml", yaml)?;
    assert_refused(&["-c", &file], &["bad.yaml", "line"])?;
    Ok(())
}

#[test]
fn fields_that_cannot_be_used_are_named_in_both_modes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut cases: Vec<(&str, Value, &[&str])> = Vec::new();
    let mut wrong_type = good(0);
    wrong_type["static_resources"]["clusters"][0]["connect_timeout"] = json!({ "seconds": "x" });
    cases.push(("wrong-type", wrong_type, &["static_resources.clusters[0].connect_timeout"]));
    let mut unknown = good(0);
    unknown["static_resources"]["clusters"][0]["no_such_field"] = json!(1);
    cases.push(("unknown-field", unknown, &["static_resources.clusters[0]", "no_such_field"]));
    let mut tls = good(0);
    tls["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = json!({
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        },
    });
    cases.push((
        "tls-listener",
        tls,
        &["static_resources.listeners[0]", "filter_chains[0].transport_socket"],
    ));
    let mut filter = good(0);
    let filters = &mut filter["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
        ["typed_config"]["http_filters"];
    let rbac = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
    let rbac = json!({ "name": "rbac", "typed_config": { "@type": rbac } });
    *filters = json!([rbac, filters[0]]);
    cases.push(("http-filter", filter, &["http_filters[0]", "envoy.extensions.filters.http.rbac"]));
    for (name, bootstrap, words) in &cases {
        let file = write(folder.path(), &format!("{name}.json"), &bootstrap.to_string())?;
        assert_refused(&["-c", &file, "--mode", "validate"], words)?;
        assert_refused(&["-c", &file], words)?;
    }
    Ok(())
}

#[test]
fn a_good_bootstrap_is_found_good_and_nothing_is_bound() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // The admin port is taken: only somebody who binds it would notice.
    let taken = std::net::TcpListener::bind(loopback())?;
    let mut bootstrap = good(taken.local_addr()?.port());
    let file = write(folder.path(), "good.json", &bootstrap.to_string())?;
    let output = run(&["-c", &file, "--mode", "validate"])?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_refused(&["-c", &file, "-l", "off"], &["admin.address", "in use"])?;

    bootstrap["no_such_field"] = json!(1);
    let file = write(folder.path(), "unknown.json", &bootstrap.to_string())?;
    assert_refused(&["-c", &file, "--mode", "validate"], &["no_such_field"])?;
    let output = run(&["-c", &file, "--mode", "validate", "--allow-unknown-static-fields"])?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    // Text on the command line is laid over the file, and faults in it are told as such.
    let file = write(folder.path(), "again.json", &good(0).to_string())?;
    let yaml = "static_resources: { no_such_list: [] }";
    assert_refused(
        &["-c", &file, "--config-yaml", yaml, "--mode", "validate"],
        &["--config-yaml", "static_resources", "no_such_list"],
    )?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_a_request_in_flight_finish() -> Result<()> {
    let backends = backends(["a"])?;
    let gate = Gate::closed();
    backends[0].update(|behaviour| behaviour.gate = Some(gate.clone()));
    let bootstrap = bootstrap(
        &[listener("http", &http_manager("ingress", &[route("/", "service")]))],
        &[static_cluster("service", &addresses(&backends))],
    );
    let mut program = Program::start(bootstrap, &["--drain-time-s", "15"])?;
    let entry = program.ready().await?;
    let mut client = RawConn::connect(entry).await?;
    client.send(b"GET / HTTP/1.1\r\nhost: demo\r\n\r\n").await?;
    backends[0].counts().wait_until(|counts| counts.requests.active() == 1).await?;
    program.terminate()?;
    // The listener is closed while the request is still under way.
    let begin = tokio::time::Instant::now();
    while RawConn::connect(entry).await.is_ok() {
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(10), "it still accepts");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(program.is_running()?, "it waits for the request");
    gate.open();
    let answer = client.read_response(AnswerTo::method(&Method::GET)).await?;
    assert_eq!(answer.head.status, 200);
    assert!(!answer.head.keep_alive, "the client is told that the connection ends");
    assert!(client.read_to_end().await?.bytes().is_empty());
    assert_eq!(program.ended().await?.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quitquitquit_ends_it_and_ready_asks_it() -> Result<()> {
    let backends = backends(["a"])?;
    let mut bootstrap = bootstrap(&[], &[static_cluster("service", &addresses(&backends))]);
    // `destrier ready` asks over TCP; the port is free now and most likely so in a moment.
    let free = std::net::TcpListener::bind(loopback())?.local_addr()?;
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = free.port().into();
    let admin = free.to_string();
    assert_refused(&["ready", "--admin", &admin], &[])?;
    let folder = tempfile::tempdir()?;
    let file = write(folder.path(), "bootstrap.json", &bootstrap.to_string())?;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_destrier"))
        .args(["-c", &file, "-l", "off"])
        .spawn()?;
    let begin = tokio::time::Instant::now();
    while run(&["ready", "--admin", &admin])?.status.code() != Some(0) {
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill()?;
            anyhow::bail!("it is never ready");
        }
    }
    let mut client = RawConn::connect(free).await?;
    client.send(b"POST /quitquitquit HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\n\r\n").await?;
    let answer = client.read_response(AnswerTo::method(&Method::POST)).await?;
    assert_eq!((answer.head.status.as_u16(), &*answer.body), (200, &b"OK\n"[..]));
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    assert_eq!(status.code(), Some(0));
    Ok(())
}

#[test]
fn the_demo_holds_what_it_promises() -> Result<()> {
    let output = run(&["demo", "--check"])?;
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(!table.contains("FAIL"), "{table}");
    for row in ["three backends in turn", "a pushed endpoint is in use", "control plane killed"] {
        assert!(table.lines().any(|line| line.starts_with("ok") && line.contains(row)), "{table}");
    }
    Ok(())
}
