//! Real files, looked at on a clock that runs when everybody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use destrier_files::{FileEvent, FileSource, FileStatusHandle, Files, FilesControl};
use destrier_xds::{Rejection, TypeUrl};
use tokio::sync::mpsc;

const LOOK: Duration = Duration::from_secs(1);

struct Seen {
    control: FilesControl,
    status: FileStatusHandle,
    events: mpsc::UnboundedReceiver<FileEvent>,
}

impl Seen {
    /// Names of what the next event brings, and of what it takes.
    async fn next(&mut self) -> (Vec<String>, Vec<String>) {
        let event = self.events.recv().await.expect("the driver runs as long as the test");
        let names = event.update.resources.into_iter().map(|it| it.name).collect();
        (names, event.update.removed)
    }

    /// Nothing comes for many looks.
    async fn nothing(&mut self) {
        let waited = tokio::time::timeout(LOOK * 10, self.events.recv()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}

/// Runs a driver beside the test; a resource called `bad` is refused.
async fn with_files(test: impl AsyncFnOnce(Seen)) {
    let files = Files::new(LOOK);
    let (sender, events) = mpsc::unbounded_channel();
    let seen = Seen { control: files.control(), status: files.status(), events };
    let run = files.run(move |event| {
        let bad = event.update.resources.iter().filter(|it| it.name == "bad");
        let reason = || "it is bad".to_owned();
        let verdict = bad.map(|it| Rejection { name: it.name.clone(), reason: reason() }).collect();
        sender.send(event).expect("the test listens to its end");
        verdict
    });
    tokio::select! {
        () = run => {}
        () = test(seen) => {}
    }
}

fn source(path: &Path) -> FileSource {
    FileSource { path: path.into(), type_url: TypeUrl::CLUSTER }
}

fn text(names: &[&str]) -> String {
    let resources =
        names.iter().map(|name| format!("- {{'@type': {}, name: {name}}}\n", TypeUrl::CLUSTER));
    format!("resources:\n{}", resources.collect::<String>())
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("the directory is ours");
    std::fs::rename(new, path).expect("it was just written");
}

#[tokio::test(start_paused = true)]
async fn a_file_may_come_late_change_and_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cds.yaml");
    with_files(async |mut seen| {
        seen.control.watch_all(source(&path));
        seen.nothing().await;
        assert_eq!(seen.status.load()[0].status.update_failure, 1, "it is missed once");
        replace(&path, &text(&["a", "bad"]));
        assert_eq!(seen.next().await.0, ["a", "bad"]);
        seen.nothing().await;
        let status = seen.status.load()[0].status.clone();
        assert_eq!(status.error.as_deref(), Some("1 of 2 rejected: bad: it is bad"));
        replace(&path, &text(&["b"]));
        assert_eq!(seen.next().await, (vec!["b".into()], vec!["a".into()]));
        std::fs::remove_file(&path).expect("it is there");
        seen.nothing().await;
        assert_eq!(seen.status.load()[0].status.held, 1, "what it said stays");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_in_place_is_read_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cds.yaml");
    with_files(async |mut seen| {
        replace(&path, &text(&["a"]));
        seen.control.watch_all(source(&path));
        assert_eq!(seen.next().await.0, ["a"]);
        std::fs::write(&path, text(&["a", "b"])).expect("it is ours");
        assert_eq!(seen.next().await.0, ["b"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn names_come_and_go_without_a_change_of_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path: Arc<Path> = directory.path().join("eds.yaml").into();
    with_files(async |mut seen| {
        replace(&path, &text(&["a", "b"]));
        let want = |names: &[&str]| {
            let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
            BTreeMap::from([(path.clone(), names)])
        };
        seen.control.set_names(TypeUrl::CLUSTER, want(&["a"]));
        assert_eq!(seen.next().await.0, ["a"]);
        seen.control.set_names(TypeUrl::CLUSTER, want(&["a", "b"]));
        assert_eq!(seen.next().await.0, ["b"]);
        seen.control.set_names(TypeUrl::CLUSTER, BTreeMap::new());
        seen.nothing().await;
        assert!(seen.status.load().is_empty(), "nobody looks at it any more");
    })
    .await;
}
