//! `--state-dir`: what the control plane said last is kept on disk, for a start without one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use destrier_control::{Assembler, BootstrapPlan, Standing, StoredResource};
use destrier_files::{StateStatus, StateStatusHandle, state};
use destrier_policy::Origin;
use destrier_xds::TypeUrl;
use tokio::sync::Notify;

use crate::args::Args;
use crate::control::{Control, now};

/// Changes within this time are one write.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// Keeps the last good state, and begins with it where no control plane answers.
pub(crate) struct LastGood {
    directory: PathBuf,
    /// How long the control plane has for its first answer.
    wait: Duration,
    status: StateStatusHandle,
    /// Something of what is kept has changed.
    changed: Notify,
    unsaved: Mutex<bool>,
    /// One writer at a time: the last one must not meet the one before.
    writing: Arc<Mutex<()>>,
}

impl LastGood {
    /// As the flags say; `None` without `--state-dir`, or where clusters come from elsewhere.
    pub(crate) fn of(args: &Args, plan: &BootstrapPlan) -> Option<Self> {
        let directory = args.state_dir.clone()?;
        if plan.ads.is_none() || plan.files.clusters.is_some() {
            tracing::info!("--state-dir: without effect, no control plane brings clusters");
            return None;
        }
        Some(Self {
            directory,
            writing: Arc::default(),
            wait: Duration::from_secs(args.state_wait),
            status: StateStatusHandle::default(),
            changed: Notify::new(),
            unsaved: Mutex::new(false),
        })
    }

    /// What the admin port reads.
    pub(crate) fn status(&self) -> StateStatusHandle {
        self.status.clone()
    }

    /// The control plane brought something that is good.
    pub(crate) fn handle_change(&self) {
        *self.lock() = true;
        self.changed.notify_one();
    }

    /// Begins with what is on disk when it is time, and writes what changes, for ever.
    pub(crate) async fn run(&self, control: &Control) {
        tokio::join!(self.restore(control), self.save_changes(control));
    }

    async fn restore(&self, control: &Control) {
        let mut answered = control.answered();
        let first = answered.wait_for(|answered| *answered);
        if tokio::time::timeout(self.wait, first).await.is_ok() {
            return;
        }
        let directory = self.directory.clone();
        let path = state::path_in(&directory);
        let read = tokio::task::spawn_blocking(move || state::read(&directory)).await;
        let loaded = match read {
            Ok(Ok(Some(loaded))) => loaded,
            Ok(Ok(None)) => {
                return tracing::info!(path = %path.display(), "no control plane, and no state of an earlier run");
            }
            Ok(Err(error)) => return self.refuse(&path, &error.to_string()),
            Err(error) => return self.refuse(&path, &error.to_string()),
        };
        let saved = loaded.saved;
        if control.restore(&loaded) {
            let age = now().wall.duration_since(saved).unwrap_or_default();
            tracing::warn!(
                age_s = age.as_secs(),
                "no control plane answers; the last good state is in force"
            );
            self.status.update(|status| status.restored = Some(saved));
        }
    }

    fn refuse(&self, path: &std::path::Path, error: &str) {
        tracing::error!(path = %path.display(), error, "the last good state is refused");
        self.status.update(|status| status.refused = Some(error.to_owned()));
    }

    /// The control plane's own words are in force now.
    pub(crate) fn handle_replaced(&self) {
        self.status.update(|status: &mut StateStatus| status.restored = None);
    }

    async fn save_changes(&self, control: &Control) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(SAVE_AFTER).await;
            self.save(control).await;
        }
    }

    /// Writes what is held, if it is not what was written last.
    pub(crate) async fn save(&self, control: &Control) {
        if !std::mem::take(&mut *self.lock()) {
            return;
        }
        let held = control.with_assembler(kept);
        let state = state::State { saved: now().wall, resources: held };
        let (directory, writing) = (self.directory.clone(), Arc::clone(&self.writing));
        let written = tokio::task::spawn_blocking(move || {
            let _turn = writing.lock().unwrap_or_else(PoisonError::into_inner);
            std::fs::create_dir_all(&directory).and_then(|()| state::write(&directory, &state))
        });
        let error = match written.await {
            Ok(Ok(())) => return self.status.update(|status| status.saves += 1),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(directory = %self.directory.display(), error, "the state cannot be written");
        self.status.update(|status| status.save_failures += 1);
        // To be tried again with the next change, or at the end.
        *self.lock() = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that came from the control plane and is good: what files say is on disk anyway.
fn kept(assembler: &Assembler) -> Vec<state::SavedResource> {
    let store = assembler.resources();
    let asked = assembler.eds_names();
    let clusters = store
        .clusters
        .iter()
        .filter(|(_, held)| held.origin == Origin::Dynamic && held.standing == Standing::Requested);
    let clusters = clusters.map(|(name, held)| (TypeUrl::CLUSTER, name.to_string(), held));
    let endpoints = store
        .endpoints
        .iter()
        .filter(|(name, held)| asked.contains(&***name) && held.standing != Standing::Stale);
    let endpoints = endpoints.map(|(name, held)| (TypeUrl::ENDPOINTS, name.to_string(), held));
    let saved = |(type_url, name, held): (TypeUrl, String, &StoredResource)| {
        let newest = held.newest()?;
        let body = Bytes::clone(&newest.body);
        Some(state::SavedResource { type_url, name, version: newest.version.to_string(), body })
    };
    clusters.chain(endpoints).filter_map(saved).collect()
}
