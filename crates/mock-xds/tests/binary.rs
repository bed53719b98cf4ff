//! The `mock-xds` program.

mod client;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use client::{DEADLINE, delta_at, names};
use destrier_mock_xds::type_url;

/// Ends the program also when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// Waiting for a line blocks its thread, which the client must not need.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn it_serves_a_folder_follows_its_changes_and_prints_requests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.yaml");
    let cluster = "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: ";
    fs::write(&file, format!("{cluster}one\n")).expect("the folder can be written");
    let program = Command::new(env!("CARGO_BIN_EXE_mock-xds"))
        .args(["--listen", "127.0.0.1:0", "--interval-ms", "5", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut program = Running(program);
    let output = program.0.stdout.take().expect("it is piped");
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let next = || lines.recv_timeout(DEADLINE).expect("a line");

    let address = next().strip_prefix("listening on ").map(str::to_owned);
    assert_eq!(next(), "published 1 set, 0 removed: +Cluster one");
    let mut client = delta_at(&address.expect("the first line")).await;
    client.subscribe(type_url::CLUSTER, &[]);
    let first = client.next().await;
    assert_eq!(names(&first), ["one"]);
    assert_eq!(next(), "stream 1 Cluster REQUEST");
    client.ack(&first);
    assert_eq!(next(), format!("stream 1 Cluster ACK {}", first.nonce));

    // Written aside and moved, so that no half file is seen.
    let aside = folder.path().join("a.tmp");
    fs::write(&aside, format!("{cluster}two\n")).expect("the folder can be written");
    fs::rename(&aside, &file).expect("the folder can be written");
    let second = client.next().await;
    assert_eq!(names(&second), ["two"]);
    assert_eq!(second.removed_resources, ["one"]);
    assert_eq!(next(), "published 1 set, 1 removed: -Cluster one +Cluster two");
}

#[test]
fn what_it_cannot_do_is_one_line_and_status_1() {
    let program = Command::new(env!("CARGO_BIN_EXE_mock-xds"))
        .args(["--dir", "/nowhere/at/all"])
        .output()
        .expect("the program runs");
    assert_eq!(program.status.code(), Some(1));
    let said = String::from_utf8_lossy(&program.stderr);
    assert_eq!(said, "mock-xds: /nowhere/at/all: No such file or directory (os error 2)\n");
}
