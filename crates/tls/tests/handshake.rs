//! Handshakes with real certificates, and what is said of wrong ones.

use std::path::Path;
use std::sync::Arc;

use destrier_policy::{ClientTls, DataSource, Identity, SanKind, SanMatcher, StringMatcher};
use destrier_tls::{TlsError, check, connect};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

const SPIFFE: &str = "spiffe://cluster.local/ns/istio-system/sa/istiod";

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Signed {
    certificate: String,
    key: String,
}

fn signed(by: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> Signed {
    let mut params = CertificateParams::new(vec!["istiod.test".to_owned()]).expect("a name");
    let uri = SanType::URI(SPIFFE.try_into().expect("ASCII"));
    params.subject_alt_names.push(uri);
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("signed").pem();
    Signed { certificate, key: key.serialize_pem() }
}

fn inline(text: &str) -> DataSource {
    DataSource::Inline(text.as_bytes().into())
}

fn client(ca: &Issuer) -> ClientTls {
    ClientTls {
        trusted_ca: Some(inline(&ca.pem())),
        names: Box::default(),
        host: None,
        identity: None,
        sni: Some("istiod.test".into()),
    }
}

fn named(kind: SanKind, value: &str) -> Box<[SanMatcher]> {
    Box::from([SanMatcher { kind, value: StringMatcher::exact(value) }])
}

/// What the server saw: SNI, ALPN, and whether the client showed a certificate.
type Seen = (Option<String>, Option<Vec<u8>>, bool);

async fn shake(
    tls: &ClientTls,
    server: &Signed,
    clients_of: Option<&Issuer>,
) -> (Result<(), TlsError>, Option<Seen>) {
    let certificate = CertificateDer::from_pem_slice(server.certificate.as_bytes());
    let chain = vec![certificate.expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).expect("a key");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients_of {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let mut config = builder.with_single_cert(chain, key).expect("they belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let accepting = async {
        let stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.ok()?;
        let (_, session) = stream.get_ref();
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let shown = session.peer_certificates().is_some();
        Some((session.server_name().map(str::to_owned), alpn, shown))
    };
    let (connected, seen) = tokio::join!(connect(tls, b"h2", ours), accepting);
    (connected.map(drop), seen)
}

async fn refused(tls: &ClientTls, server: &Signed) -> String {
    shake(tls, server, None).await.0.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn a_server_of_the_trusted_authority_is_spoken_to() {
    let ca = authority("ca");
    let server = signed(&ca, |_| {});
    let (connected, seen) = shake(&client(&ca), &server, None).await;
    connected.expect("it is trusted");
    assert_eq!(seen, Some((Some("istiod.test".into()), Some(b"h2".to_vec()), false)));
    let silent = ClientTls { sni: None, ..client(&ca) };
    let (connected, seen) = shake(&silent, &server, None).await;
    connected.expect("it is trusted");
    assert_eq!(seen.expect("it was accepted").0, None, "no SNI was asked for");
}

#[tokio::test]
async fn mutual_tls_shows_who_we_are() {
    let ca = authority("ca");
    let (server, us) = (signed(&ca, |_| {}), signed(&ca, |_| {}));
    let identity =
        Identity { certificate_chain: inline(&us.certificate), private_key: inline(&us.key) };
    let tls = ClientTls { identity: Some(identity), ..client(&ca) };
    let (connected, seen) = shake(&tls, &server, Some(&ca)).await;
    connected.expect("both are trusted");
    assert!(seen.expect("it was accepted").2);
}

#[tokio::test]
async fn one_of_its_names_must_be_wanted() {
    let ca = authority("ca");
    let server = signed(&ca, |_| {});
    for (kind, value, fits) in [
        (SanKind::Uri, SPIFFE, true),
        (SanKind::Dns, "istiod.test", true),
        (SanKind::Dns, SPIFFE, false),
        (SanKind::Uri, "spiffe://cluster.local/ns/other/sa/istiod", false),
    ] {
        let tls = ClientTls { names: named(kind, value), ..client(&ca) };
        let (connected, _) = shake(&tls, &server, None).await;
        assert_eq!(connected.is_ok(), fits, "{kind:?} {value}: {connected:?}");
        if let Err(error) = connected {
            let text = error.to_string();
            assert!(text.contains("match_typed_subject_alt_names"), "{text}");
            assert!(text.contains(SPIFFE), "it says who is there: {text}");
        }
    }
    let by_host = |host: &str| ClientTls { host: Some(host.into()), ..client(&ca) };
    shake(&by_host("istiod.test"), &server, None).await.0.expect("it is the host");
    assert!(refused(&by_host("other.test"), &server).await.contains("other.test"));
}

#[tokio::test]
async fn a_stranger_and_an_old_certificate_are_refused() {
    let (ca, other) = (authority("ca"), authority("other"));
    let text = refused(&client(&ca), &signed(&other, |_| {})).await;
    assert!(text.contains("UnknownIssuer"), "{text}");
    let expired = signed(&ca, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let text = refused(&client(&ca), &expired).await;
    assert!(text.contains("expired"), "{text}");
    let whoever = ClientTls { trusted_ca: None, ..client(&ca) };
    let connected = shake(&whoever, &signed(&other, |_| {}), None).await.0;
    connected.expect("without a trusted authority nothing is checked, as in Envoy");
}

#[test]
fn what_cannot_be_used_is_named() {
    let ca = authority("ca");
    let (one, two) = (signed(&ca, |_| {}), signed(&ca, |_| {}));
    let with = |chain: DataSource, key: DataSource| ClientTls {
        identity: Some(Identity { certificate_chain: chain, private_key: key }),
        ..client(&ca)
    };
    let missing = || DataSource::File(Path::new("/nowhere/key.pem").into());
    for (tls, words) in [
        (ClientTls { trusted_ca: Some(missing()), ..client(&ca) }, ["trusted_ca", "/nowhere"]),
        (
            ClientTls { trusted_ca: Some(inline("nonsense")), ..client(&ca) },
            ["trusted_ca", "no cert"],
        ),
        (with(inline("nonsense"), inline(&one.key)), ["certificate_chain", "no cert"]),
        (with(inline(&one.certificate), missing()), ["private_key (/nowhere", "No such file"]),
        (with(inline(&one.certificate), inline("nonsense")), ["private_key", "PEM"]),
        (with(inline(&one.certificate), inline(&two.key)), ["private_key", "KeyMismatch"]),
        (ClientTls { sni: Some("not a host".into()), ..client(&ca) }, ["sni", "not a host"]),
        (
            ClientTls { trusted_ca: None, names: named(SanKind::Dns, "a"), ..client(&ca) },
            ["trusted_ca", "names"],
        ),
    ] {
        let text = check(&tls).expect_err("it cannot be used").to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
}

#[tokio::test]
async fn a_new_file_counts_from_the_next_connection_on() {
    let (old, new) = (authority("old"), authority("new"));
    let server = signed(&new, |_| {});
    let path = std::env::temp_dir().join(format!("destrier-tls-{}.pem", std::process::id()));
    std::fs::write(&path, old.pem()).expect("a temporary file");
    let tls =
        ClientTls { trusted_ca: Some(DataSource::File(path.as_path().into())), ..client(&old) };
    assert!(shake(&tls, &server, None).await.0.is_err());
    std::fs::write(&path, new.pem()).expect("a temporary file");
    shake(&tls, &server, None).await.0.expect("the new authority is trusted");
    std::fs::remove_file(&path).expect("it is ours");
}
