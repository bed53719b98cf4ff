//! The control thread: joins the session with the control plane and the assembler, carries verdicts back,
//! and hands snapshots to the manager.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use destrier_control::{Absent, Assembler, Change, Now, ResourceRef};
use destrier_upstream::ClusterManager;
use destrier_xds::{Event, Rejection, Reply, Subscriptions, TypeUrl, Update};
use tokio::sync::{Notify, mpsc, watch};

use crate::dns;

/// The assembler and everybody who must hear of what it makes.
pub(crate) struct Control {
    assembler: Arc<Mutex<Assembler>>,
    manager: Arc<ClusterManager>,
    subscriptions: Option<Subscriptions>,
    resolver: Mutex<dns::Resolver>,
    /// Deadlines may have changed.
    changed: Notify,
    initialized: watch::Sender<bool>,
}

/// The moment of now, on both clocks.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver of the assembler reads the clocks for it"
)]
pub(crate) fn now() -> Now {
    Now { mono: Instant::now(), wall: SystemTime::now() }
}

impl Control {
    /// Puts the static clusters in force and asks for the first names. Needs a runtime.
    pub(crate) fn new(
        assembler: Arc<Mutex<Assembler>>,
        manager: Arc<ClusterManager>,
        subscriptions: Option<Subscriptions>,
        resolver: dns::Resolver,
    ) -> Self {
        let control = Self {
            assembler,
            manager,
            subscriptions,
            resolver: Mutex::new(resolver),
            changed: Notify::new(),
            initialized: watch::Sender::new(false),
        };
        control.step(|_, _| ());
        control
    }

    /// Turns to true once, when all is there that the first request needs.
    pub(crate) fn initialized(&self) -> watch::Receiver<bool> {
        self.initialized.subscribe()
    }

    /// Takes what the control plane sent; the reply carries the verdict and the names that are wanted now,
    /// so that both go out in the same turn.
    pub(crate) fn handle_event(&self, event: Event) -> Reply {
        match event {
            Event::Update(update) => {
                let (verdict, names) =
                    self.step_keeping_names(|assembler, now| apply(assembler, &update, now));
                Reply {
                    verdict,
                    names: names.map(|names| (TypeUrl::ENDPOINTS, names)).into_iter().collect(),
                }
            }
            Event::DoesNotExist { type_url, names } => {
                self.step(|assembler, now| {
                    for name in &names {
                        tracing::info!(type = type_url.message(), name, "the control plane has no such resource");
                        assembler.handle_missing(type_url.as_str(), name, now);
                    }
                });
                Reply::default()
            }
            Event::Expired { type_url, names } => {
                self.step(|assembler, now| {
                    assembler.apply(
                        Change {
                            type_url: type_url.as_str(),
                            version: "",
                            resources: &[],
                            unchanged: &[],
                            removed: &names,
                            absent: Absent::Unchanged,
                        },
                        now,
                    )
                });
                Reply::default()
            }
            Event::Connected => {
                tracing::info!("connected to the control plane");
                Reply::default()
            }
            Event::Disconnected(error) => {
                // Expected every half hour or so, and nothing that is in force changes.
                tracing::info!(%error, "disconnected from the control plane");
                Reply::default()
            }
        }
    }

    /// Does what falls due, and takes what names resolve to, for ever.
    pub(crate) async fn run(&self, mut answers: mpsc::UnboundedReceiver<dns::Answer>) {
        loop {
            let due = self.lock().poll_timeout();
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => self.step(|assembler, now| assembler.handle_timeout(now)),
                () = self.changed.notified() => {}
                Some(answer) = answers.recv() => self.step(|assembler, now| {
                    let dns::Answer { target, addresses } = answer;
                    if let Err(error) = &addresses {
                        let (cluster, host) = (&target.cluster, &target.host);
                        tracing::warn!(%cluster, %host, error, "the name cannot be resolved");
                    }
                    assembler.handle_dns(&target, addresses, now);
                }),
            }
        }
    }

    /// One change of the assembler, and all that follows from it.
    fn step<R>(&self, change: impl FnOnce(&mut Assembler, Now) -> R) -> R {
        let (result, names) = self.step_keeping_names(change);
        if let (Some(names), Some(subscriptions)) = (names, &self.subscriptions) {
            subscriptions.set_names(TypeUrl::ENDPOINTS, names);
        }
        result
    }

    /// As [`Self::step`]; new names for the endpoint subscription are the caller's to pass on.
    fn step_keeping_names<R>(
        &self,
        change: impl FnOnce(&mut Assembler, Now) -> R,
    ) -> (R, Option<std::collections::BTreeSet<String>>) {
        let now = now();
        let mut assembler = self.lock();
        let result = change(&mut assembler, now);
        if let Some(snapshot) = assembler.take_snapshot() {
            self.manager.publish(snapshot);
        }
        if let Some(targets) = assembler.take_dns_targets() {
            self.resolver.lock().unwrap_or_else(PoisonError::into_inner).set_targets(targets);
        }
        if assembler.is_initialized(now) {
            self.initialized.send_if_modified(|initialized| !std::mem::replace(initialized, true));
        }
        let names = assembler.take_eds_names();
        drop(assembler);
        self.changed.notify_one();
        (result, names)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Assembler> {
        // Whoever panicked while holding it left whole values: each resource is swapped in at the end.
        self.assembler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Session's words to the assembler's, and the verdict back.
fn apply(assembler: &mut Assembler, update: &Update, now: Now) -> Vec<Rejection> {
    let resources: Vec<ResourceRef> = update
        .resources
        .iter()
        .map(|resource| ResourceRef {
            name: resource.name.clone(),
            version: resource.version.clone(),
            body: resource.body.clone(),
        })
        .collect();
    let rejections = assembler.apply(
        Change {
            type_url: update.type_url.as_str(),
            version: &update.version,
            resources: &resources,
            unchanged: &update.unchanged,
            removed: &update.removed,
            // The session itself finds out what a complete list leaves out.
            absent: Absent::Unchanged,
        },
        now,
    );
    for rejection in &rejections {
        tracing::warn!(type = update.type_url.message(), name = rejection.resource, %rejection, "refused");
    }
    let named = |rejection: &destrier_control::Rejection| Rejection {
        name: rejection.resource.clone(),
        reason: rejection.to_string(),
    };
    rejections.iter().map(named).collect()
}
