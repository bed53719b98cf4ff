//! Resources from files.

mod client;

use std::fs;
use std::path::Path;

use client::{delta, names, start};
use destrier_mock_xds::{Changes, load_folder, type_url};

fn recorded(variant: &str) -> Changes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(variant);
    load_folder(&folder).expect("recorded messages load")
}

/// `10-no-interception` of a real istiod, in both variants.
#[tokio::test]
async fn recorded_messages_of_both_variants_are_the_same_resources() {
    let server = start().await;
    let (delta, sotw) = (recorded("delta"), recorded("sotw"));
    server.replace(delta);
    let changes = server.replace(sotw).to_string();
    assert_eq!(changes, "0 set, 0 removed");

    let mut client = client::delta(&server).await;
    client.subscribe(type_url::CLUSTER, &[]);
    let response = client.next().await;
    let names = names(&response);
    assert!(names.contains(&"outbound|18080||web.demo.svc.cluster.local"), "{names:?}");
}

#[tokio::test]
async fn text_holds_one_resource_a_list_or_a_response() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("the folder can be written");
    };
    write("1.yaml", "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: one\n");
    write(
        "2.json",
        r#"[{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "two"}]"#,
    );
    write(
        "3.yml",
        "version_info: x\nresources:\n- '@type': type.googleapis.com/envoy.config.endpoint.v3.\
         ClusterLoadAssignment\n  clusterName: one\n",
    );
    write(
        "4.json",
        r#"{"resources": [{"name": "x", "resource": {"@type": "type.googleapis.com/y.Z", "a": 1}}]}"#,
    );
    write("notes.txt", "not looked at");
    let server = start().await;
    let changes = server.replace(load_folder(folder.path()).expect("all of it is valid"));
    assert_eq!(
        changes.to_string(),
        "4 set, 0 removed: +Cluster one +Cluster two +ClusterLoadAssignment one +Z x"
    );

    let mut client = delta(&server).await;
    client.subscribe(type_url::CLUSTER, &[]);
    client.next().await;
    fs::remove_file(folder.path().join("2.json")).expect("it was there");
    write("5.yaml", "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: five\n");
    let changes = server.replace(load_folder(folder.path()).expect("still valid"));
    assert_eq!(changes.to_string(), "1 set, 1 removed: -Cluster two +Cluster five");
    let response = client.next().await;
    assert_eq!(names(&response), ["five"]);
    assert_eq!(response.removed_resources, ["two"]);
}

#[test]
fn faults_name_the_file_and_the_field() {
    let cases = [
        ("a.yaml", "x: [", "a.yaml: line 1, column 4: unclosed bracket '['"),
        (
            "b.yaml",
            "x: 1",
            "b.yaml: neither a resource with @type, nor a list of them, nor a response",
        ),
        (
            "c.json",
            r#"[{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "nam": 1}]"#,
            "c.json: [0].nam: unknown field of envoy.config.cluster.v3.Cluster",
        ),
        (
            "d.json",
            r#"{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}"#,
            "d.json: a type.googleapis.com/envoy.config.cluster.v3.Cluster has no name that is known here",
        ),
        ("e.pb", "\u{1}", "e.pb: neither a DiscoveryResponse nor a DeltaDiscoveryResponse"),
    ];
    for (name, text, expected) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(name), text).expect("the folder can be written");
        let err = load_folder(folder.path()).expect_err("a wrong file").to_string();
        let shown = err.strip_prefix(&format!("{}/", folder.path().display()));
        assert_eq!(shown, Some(expected));
    }
    load_folder(Path::new("/nowhere/at/all")).expect_err("no folder");
}
