//! The control thread: joins the session with the control plane and the assembler, carries verdicts back,
//! and hands snapshots to the manager.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use destrier_control::{Absent, Arrival, Assembler, Change, Now, ResourceRef, Timeline};
use destrier_files::{FileEvent, FileSource, FilesControl, state::State};
use destrier_policy::AssignmentSource;
use destrier_upstream::ClusterManager;
use destrier_xds::{
    Event, Rejection, Reply, Resource, StatusHandle, Subscriptions, TypeUrl, Update, Verdict,
};
use tokio::sync::{Notify, mpsc, watch};

use crate::dns;
use crate::last_good::LastGood;

/// The assembler and everybody who must hear of what it makes.
pub(crate) struct Control {
    assembler: Arc<Mutex<Assembler>>,
    timeline: Arc<Mutex<Timeline>>,
    manager: Arc<ClusterManager>,
    origins: Origins,
    /// The assignments that files are looked through for.
    file_names: Mutex<BTreeMap<Arc<Path>, BTreeSet<String>>>,
    resolver: Mutex<dns::Resolver>,
    /// Deadlines may have changed.
    changed: Notify,
    initialized: watch::Sender<bool>,
    /// The control plane has answered about clusters.
    answered: watch::Sender<bool>,
    restored: Mutex<Restored>,
    /// It came while a state from disk was in force.
    first_answer: Notify,
}

/// Who brings resources.
pub(crate) struct Origins {
    /// Names for the session with the control plane.
    pub(crate) subscriptions: Option<Subscriptions>,
    /// Where that session stands.
    pub(crate) session: Option<StatusHandle>,
    /// Names for files.
    pub(crate) files: FilesControl,
    /// `--state-dir`.
    pub(crate) last_good: Option<LastGood>,
}

/// Whether clusters are in force that stand in the file of `--state-dir`.
#[derive(Debug, Default)]
enum Restored {
    /// None are.
    #[default]
    Nothing,
    /// These.
    Clusters(Vec<String>),
    /// The control plane has answered; these it did not mention, as far as its answer could be read.
    Unmentioned(Vec<String>),
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
        timeline: Arc<Mutex<Timeline>>,
        manager: Arc<ClusterManager>,
        origins: Origins,
        resolver: dns::Resolver,
    ) -> Self {
        let control = Self {
            assembler,
            timeline,
            manager,
            origins,
            file_names: Mutex::default(),
            restored: Mutex::default(),
            first_answer: Notify::new(),
            answered: watch::Sender::new(false),
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
                if update.type_url == TypeUrl::CLUSTER {
                    self.note_answer(&update);
                }
                let (verdict, names) = self
                    .step_keeping_names(|assembler, now| self.apply_ads(assembler, &update, now));
                let acknowledged = now().wall;
                self.timeline().handle_acknowledged(update.stream, &update.nonce, acknowledged);
                if let Some(last_good) = &self.origins.last_good
                    && !update.is_noop()
                {
                    last_good.handle_change();
                }
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

    /// Applies what the control plane sent, and takes it down.
    fn apply_ads(&self, assembler: &mut Assembler, update: &Update, now: Now) -> Verdict {
        let rejections = apply(assembler, &AssignmentSource::Ads, update, now);
        let since = now.mono.saturating_duration_since(update.received);
        let arrival = Arrival {
            type_url: update.type_url.as_str().into(),
            stream: update.stream,
            nonce: update.nonce.as_str().into(),
            received: now.wall.checked_sub(since).unwrap_or(now.wall),
        };
        let resources = update.resources.iter().map(|it| (it.name.as_str(), it.version.as_str()));
        let refused = rejections.iter().map(|it| (it.name.as_str(), it.reason.as_str()));
        let refused: BTreeMap<_, _> = refused.collect();
        self.timeline().handle_update(&arrival, resources, &refused, self::now().wall);
        rejections
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a file says. The verdict goes back to the file's session.
    pub(crate) fn handle_file(&self, event: FileEvent) -> Verdict {
        let FileEvent { source: FileSource { path, .. }, update } = event;
        let source = AssignmentSource::File(path);
        self.step(|assembler, now| apply(assembler, &source, &update, now))
    }

    /// Turns to true once, when the control plane has said which clusters there are.
    pub(crate) fn answered(&self) -> watch::Receiver<bool> {
        self.answered.subscribe()
    }

    /// `--state-dir`.
    pub(crate) fn last_good(&self) -> Option<&LastGood> {
        self.origins.last_good.as_ref()
    }

    /// Looks at the assembler.
    pub(crate) fn with_assembler<R>(&self, look: impl FnOnce(&Assembler) -> R) -> R {
        look(&self.lock())
    }

    /// Puts the last good state in force, unless the control plane has answered meanwhile. Whether it
    /// is. What is no longer good to this version is named in the log and left out.
    pub(crate) fn restore(&self, state: &State) -> bool {
        if *self.answered.borrow() {
            return false;
        }
        let update = |type_url: TypeUrl, now: Now| Update {
            resources: state
                .resources
                .iter()
                .filter(|saved| saved.type_url == type_url)
                .map(|saved| Resource {
                    name: saved.name.clone(),
                    version: saved.version.clone(),
                    body: saved.body.clone(),
                })
                .collect(),
            type_url,
            removed: Vec::new(),
            unchanged: Vec::new(),
            version: String::new(),
            received: now.mono,
            stream: 0,
            nonce: String::new(),
        };
        let clusters = state.resources.iter().filter(|it| it.type_url == TypeUrl::CLUSTER);
        *self.restored.lock().unwrap_or_else(PoisonError::into_inner) =
            Restored::Clusters(clusters.map(|it| it.name.clone()).collect());
        self.step(|assembler, now| {
            for type_url in [TypeUrl::CLUSTER, TypeUrl::ENDPOINTS] {
                apply(assembler, &AssignmentSource::Ads, &update(type_url, now), now);
            }
        });
        true
    }

    /// The control plane's first words about clusters are all of them: the session holds none.
    fn note_answer(&self, update: &Update) {
        self.answered.send_if_modified(|answered| !std::mem::replace(answered, true));
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Restored::Clusters(names) = &mut *restored {
            let mentioned: BTreeSet<&str> =
                update.resources.iter().map(|resource| resource.name.as_str()).collect();
            names.retain(|name| !mentioned.contains(name.as_str()));
            *restored = Restored::Unmentioned(std::mem::take(names));
            self.first_answer.notify_one();
        }
    }

    /// What stood in the first answer and was refused by the session itself was mentioned all the same:
    /// this is known once the session has the verdict.
    fn remove_unmentioned(&self) {
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        let Restored::Unmentioned(mut names) = std::mem::take(&mut *restored) else { return };
        drop(restored);
        let status = self.origins.session.as_ref().map(StatusHandle::load);
        let clusters = status.as_ref().and_then(|status| status.types.get(&TypeUrl::CLUSTER));
        if let Some(clusters) = clusters {
            names.retain(|name| !clusters.rejected.contains_key(name));
        }
        self.step(|assembler, now| {
            let version = assembler.resources().clusters_version.clone();
            assembler.apply(
                Change {
                    type_url: TypeUrl::CLUSTER.as_str(),
                    version: &version,
                    resources: &[],
                    unchanged: &[],
                    removed: &names,
                    absent: Absent::Unchanged,
                },
                now,
            )
        });
        if let Some(last_good) = &self.origins.last_good {
            last_good.handle_replaced();
            last_good.handle_change();
        }
    }

    /// Passes the names that files are looked through for on, if they are others.
    fn name_files(&self, names: BTreeMap<Arc<Path>, BTreeSet<String>>) {
        let mut before = self.file_names.lock().unwrap_or_else(PoisonError::into_inner);
        if *before != names {
            before.clone_from(&names);
            self.origins.files.set_names(TypeUrl::ENDPOINTS, names);
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
                () = self.first_answer.notified() => self.remove_unmentioned(),
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
        if let (Some(names), Some(subscriptions)) = (names, &self.origins.subscriptions) {
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
        self.timeline().handle_published(assembler.resources(), self::now().wall);
        if let Some(targets) = assembler.take_dns_targets() {
            self.resolver.lock().unwrap_or_else(PoisonError::into_inner).set_targets(targets);
        }
        if assembler.is_initialized(now) {
            self.initialized.send_if_modified(|initialized| !std::mem::replace(initialized, true));
        }
        let names = assembler.take_eds_names();
        if names.is_some() {
            self.name_files(assembler.eds_files());
        }
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
fn apply(
    assembler: &mut Assembler,
    source: &AssignmentSource,
    update: &Update,
    now: Now,
) -> Vec<Rejection> {
    let resources: Vec<ResourceRef> = update
        .resources
        .iter()
        .map(|resource| ResourceRef {
            name: resource.name.clone(),
            version: resource.version.clone(),
            body: resource.body.clone(),
        })
        .collect();
    let rejections = assembler.apply_from(
        source,
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
