//! A control plane behind TLS, as istiod is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier::demo::config::{Ads, route};
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::mesh::{PATIENCE, addresses, backends, loopback, mesh_bootstrap, text};

const CLUSTER: &str = "outbound|80||secured.demo.svc.cluster.local";
const ISTIOD: &str = "spiffe://cluster.local/ns/istio-system/sa/istiod";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn signed(by: &Authority) -> Result<(rcgen::Certificate, KeyPair)> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.subject_alt_names.push(SanType::URI(ISTIOD.try_into()?));
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, by)?, key))
}

/// Takes TLS off in front of a control plane; clients must be of the authority.
async fn terminator(ca: &Authority, plane: SocketAddr) -> Result<(SocketAddr, JoinHandle<()>)> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone())?;
    let clients =
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build()?;
    let (certificate, key) = signed(ca)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(loopback()).await?;
    let address = listener.local_addr()?;
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut secured) = acceptor.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(plane).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
            });
        }
    });
    Ok((address, accepting))
}

fn file(folder: &Path, name: &str, text: &str) -> Result<Value> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(json!({ "filename": path }))
}

/// An agent whose control plane is changed by `change`, which gets the bootstrap.
fn agent(plane: &MockXds, change: impl FnOnce(&mut Value)) -> Result<LocalAgent> {
    let mut bootstrap = mesh_bootstrap(plane, Ads::Delta, &[route("/", CLUSTER)])?;
    change(&mut bootstrap);
    LocalAgent::start(&bootstrap)
}

/// The cluster of the control plane, at another address and behind TLS.
fn secure(bootstrap: &mut Value, at: SocketAddr, context: &Value) {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
    for cluster in clusters.into_iter().flatten().filter(|cluster| cluster["name"] == "xds") {
        let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = at.port().into();
        let mut config = context.clone();
        let kind =
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
        config["@type"] = kind.into();
        cluster["transport_socket"] =
            json!({ "name": "envoy.transport_sockets.tls", "typed_config": config });
    }
}

/// Waits until the page for people has these words.
async fn until_home_says(agent: &LocalAgent, words: &[&str]) -> Result<()> {
    let begin = Instant::now();
    let admin = agent.agent.admin().and_then(|address| address.ip()).context("it has a port")?;
    loop {
        let page = text(&request(admin, "/", "").await?);
        if words.iter().all(|word| page.contains(word)) {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!("{words:?} are not on the page: {page}");
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v32_mutual_tls_and_what_is_said_while_it_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let hosts = endpoints(CLUSTER, &addresses(&backends));
    plane.apply(Changes::new().cluster(&eds_cluster(CLUSTER)).endpoints(&hosts));
    let (ca, other) = (authority("ca")?, authority("other")?);
    let at = plane.address().context("the control plane listens on TCP")?;
    let (front, accepting) = terminator(&ca, at).await?;
    let (certificate, key) = signed(&ca)?;
    let context = json!({ "common_tls_context": {
        "tls_certificates": [{
            "certificate_chain": file(folder, "cert.pem", &certificate.pem())?,
            "private_key": file(folder, "key.pem", &key.serialize_pem())?,
        }],
        "validation_context": {
            "trusted_ca": file(folder, "ca.pem", &other.pem())?,
            "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": { "exact": ISTIOD } }],
        },
    } });
    let agent = agent(&plane, |bootstrap| secure(bootstrap, front, &context))?;
    until_home_says(&agent, &["UnknownIssuer"]).await?;
    // The file is put right, and the next attempt reads it.
    file(folder, "ca.pem", &ca.pem())?;
    agent.ready().await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    accepting.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_grpc_with_a_token_from_a_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let hosts = endpoints(CLUSTER, &addresses(&backends));
    plane.apply(Changes::new().cluster(&eds_cluster(CLUSTER)).endpoints(&hosts));
    let ca = authority("ca")?;
    let at = plane.address().context("the control plane listens on TCP")?;
    let (front, accepting) = terminator(&ca, at).await?;
    let (certificate, key) = signed(&ca)?;
    let service = json!({ "google_grpc": {
        "target_uri": format!("localhost:{}", front.port()),
        "stat_prefix": "istiod",
        "channel_credentials": { "ssl_credentials": {
            "root_certs": file(folder, "ca.pem", &ca.pem())?,
            "cert_chain": file(folder, "cert.pem", &certificate.pem())?,
            "private_key": file(folder, "key.pem", &key.serialize_pem())?,
        } },
        "call_credentials": [{ "from_plugin": {
            "name": "envoy.grpc_credentials.file_based_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig",
                "secret_data": { "filename": folder.join("token") },
                "header_prefix": "Bearer ",
            },
        } }],
    } });
    let agent = agent(&plane, |bootstrap| {
        bootstrap["dynamic_resources"]["ads_config"]["grpc_services"] = json!([service]);
    })?;
    until_home_says(&agent, &["credentials", "authorization", "token", "No such file"]).await?;
    file(folder, "token", "abc\n")?;
    agent.ready().await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    accepting.abort();
    Ok(())
}
