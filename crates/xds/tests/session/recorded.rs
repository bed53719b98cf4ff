//! Messages of a real istiod, in both variants, through the session.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use destrier_xds::Variant;

use crate::conversation::Conversation;

/// The recordings stand beside the tests that translate them.
fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../control/tests/data/istio")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of recordings");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths
}

/// Plays one mesh, round by round.
fn play(mesh: &Path, variant: Variant) -> Conversation {
    let mut it = Conversation::open(variant);
    let rounds = mesh.join(if variant == Variant::Delta { "delta" } else { "sotw" });
    for message in sorted(&rounds).iter().flat_map(|round| sorted(round)) {
        let bytes = fs::read(&message).expect("a readable message");
        let received = it.receive_bytes(bytes.into()).expect("istiod speaks the protocol");
        let (update, ticket) = received.unwrap_or_else(|| panic!("{message:?} was not asked for"));
        it.judge(update, ticket);
        for request in it.pass(Duration::from_secs(1)) {
            assert_eq!(request.error, None, "{message:?}");
        }
    }
    it
}

#[test]
fn all_recordings_are_acknowledged_and_both_variants_end_equal() {
    let meshes: Vec<_> = sorted(&recordings()).into_iter().filter(|path| path.is_dir()).collect();
    assert!(meshes.len() >= 13, "{meshes:?}");
    for mesh in meshes {
        let [delta, sotw] = [Variant::Delta, Variant::Sotw].map(|variant| play(&mesh, variant));
        assert!(!delta.store.clusters.is_empty(), "{mesh:?}");
        assert_eq!(delta.store.clusters, sotw.store.clusters, "{mesh:?}");
        assert_eq!(delta.store.assignments, sotw.store.assignments, "{mesh:?}");
    }
}
