//! Looks at the files, and runs a session for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use destrier_xds::{TypeStatus, TypeUrl, Update, Verdict};
use tokio::sync::mpsc;

use crate::content::{Content, FileFault};
use crate::session::{FileSession, Interest};
use crate::watch::{Stamp, Watch};

/// A file, and the type of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileSource {
    /// `path_config_source.path`.
    pub path: Arc<Path>,
    /// What it holds.
    pub type_url: TypeUrl,
}

/// A file said something new.
#[derive(Debug)]
pub struct FileEvent {
    /// Who.
    pub source: FileSource,
    /// What.
    pub update: Update,
}

/// Where one file stands, for the admin port.
#[derive(Clone, Debug)]
pub struct FileStatus {
    /// The file and its type.
    pub source: FileSource,
    /// As of a session with a control plane.
    pub status: TypeStatus,
}

/// The state of all files as another thread may read it at any time.
#[derive(Clone, Debug, Default)]
pub struct FileStatusHandle(Arc<Mutex<Arc<[FileStatus]>>>);

impl FileStatusHandle {
    /// All files, in the order of their paths.
    pub fn load(&self) -> Arc<[FileStatus]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store(&self, all: Arc<[FileStatus]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Says which files are of interest, from any thread.
#[derive(Clone, Debug)]
pub struct FilesControl(mpsc::UnboundedSender<Command>);

#[derive(Debug)]
enum Command {
    All(FileSource),
    Names(TypeUrl, BTreeMap<Arc<Path>, BTreeSet<String>>),
}

impl FilesControl {
    /// Everything in the file is wanted.
    pub fn watch_all(&self, source: FileSource) {
        let _ = self.0.send(Command::All(source));
    }

    /// These resources of a type are wanted, of each file those named beside it. Other files are no
    /// longer looked at for this type, unless all that is in them is wanted.
    pub fn set_names(&self, type_url: TypeUrl, files: BTreeMap<Arc<Path>, BTreeSet<String>>) {
        let _ = self.0.send(Command::Names(type_url, files));
    }
}

/// Runs the sessions of all files on the current thread; reading and decoding is done on others.
#[derive(Debug)]
pub struct Files {
    interval: Duration,
    status: FileStatusHandle,
    commands: (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>),
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    session: FileSession,
}

/// What a look at a file brought.
struct Looked {
    source: FileSource,
    watch: Watch,
    content: Option<Result<Content, FileFault>>,
}

impl Files {
    /// Looks every `interval`, once it runs.
    pub fn new(interval: Duration) -> Self {
        Self { interval, status: FileStatusHandle::default(), commands: mpsc::unbounded_channel() }
    }

    /// What the admin port reads.
    pub fn status(&self) -> FileStatusHandle {
        self.status.clone()
    }

    /// Names files before and while it runs.
    pub fn control(&self) -> FilesControl {
        FilesControl(self.commands.0.clone())
    }

    /// Looks at files for ever. The handler runs on this task and must not block. A file that changes
    /// while the handler's verdict is carried out is seen at the next look.
    pub async fn run(self, mut handler: impl FnMut(FileEvent) -> Verdict) {
        let Self { interval, status, commands: (_keep, mut commands) } = self;
        let mut files = BTreeMap::<FileSource, Watched>::new();
        loop {
            tokio::select! {
                biased;
                Some(command) = commands.recv() => obey(&mut files, command),
                () = tokio::time::sleep(interval), if !files.is_empty() => {}
            }
            // What else was said meanwhile, so that several names of a file are one look.
            while let Ok(command) = commands.try_recv() {
                obey(&mut files, command);
            }
            let all = files.iter().map(|(source, watched)| (source.clone(), watched.watch));
            let all: Vec<_> = all.collect();
            let Ok(looked) = tokio::task::spawn_blocking(move || {
                all.into_iter().map(|(source, watch)| look(source, watch)).collect::<Vec<_>>()
            })
            .await
            else {
                continue; // It panicked; the next look may not.
            };
            for Looked { source, watch, content } in looked {
                let Some(watched) = files.get_mut(&source) else { continue };
                watched.watch = watch;
                if let Some(content) = content {
                    take(&source, &mut watched.session, content, &mut handler);
                }
            }
            let shown = files.iter().map(|(source, watched)| FileStatus {
                source: source.clone(),
                status: watched.session.status().clone(),
            });
            status.store(shown.collect());
        }
    }
}

fn obey(files: &mut BTreeMap<FileSource, Watched>, command: Command) {
    let fresh = |source: &FileSource, interest| Watched {
        watch: Watch::default(),
        session: FileSession::new(source.type_url.clone(), interest),
    };
    match command {
        Command::All(source) => {
            files.entry(source.clone()).or_insert_with(|| fresh(&source, Interest::All));
        }
        Command::Names(type_url, named) => {
            files.retain(|source, watched| {
                source.type_url != type_url
                    || named.contains_key(&source.path)
                    || watched.session.wants_all()
            });
            for (path, names) in named {
                let source = FileSource { path, type_url: type_url.clone() };
                let watched = files
                    .entry(source.clone())
                    .or_insert_with(|| fresh(&source, Interest::Names(BTreeSet::new())));
                if watched.session.set_names(names) {
                    watched.watch.look_again();
                }
            }
        }
    }
}

fn look(source: FileSource, mut watch: Watch) -> Looked {
    let before = Stamp::of(&source.path);
    if !watch.look(before) {
        return Looked { source, watch, content: None };
    }
    let content = std::fs::read(&source.path)
        .map_err(|error| FileFault::Unreadable(error.to_string()))
        .and_then(|bytes| Content::read(&source.path, &bytes, &source.type_url));
    if Stamp::of(&source.path) != before {
        watch.look_again();
        return Looked { source, watch, content: None };
    }
    Looked { source, watch, content: Some(content) }
}

fn take(
    source: &FileSource,
    session: &mut FileSession,
    content: Result<Content, FileFault>,
    handler: &mut impl FnMut(FileEvent) -> Verdict,
) {
    let (path, kind) = (source.path.display(), source.type_url.message());
    let (update, ticket) = match session.handle_content(content, now()) {
        Ok(taken) => taken,
        Err(error) => {
            tracing::warn!(%path, type = kind, %error, "the file is refused; what it said before stays");
            return;
        }
    };
    let removed = update.removed.clone();
    let verdict = handler(FileEvent { source: source.clone(), update });
    if let Some(error) = session.handle_verdict(ticket, &removed, verdict, now()) {
        tracing::warn!(%path, type = kind, error, "not all of the file is good; the rest is in force");
    }
}

/// Tokio's clock, so that tests may stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
