//! The agent as a whole: threads, start, readiness, end.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use destrier_admin::{AdminListener, RuntimeValues, ServerState, Sources, Stage, serve};
use destrier_control::{Assembler, BootstrapPlan, FilePlan, Timeline};
use destrier_files::{FileSource, Files};
use destrier_policy::{Address, Locality};
use destrier_proxy::{BindError, BoundListener, Proxy, ProxyConfig};
use destrier_upstream::{ClusterManager, Directory, Place};
use destrier_xds::{Driver, TypeUrl};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::bootstrap::Loaded;
use crate::control::{Control, Origins, now};
use crate::last_good::LastGood;
use crate::telemetry::Levels;
use crate::{dns, node, options, xds};

/// Why the agent could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin port.
    #[error("admin.address: cannot listen on {address}: {cause}")]
    Admin {
        /// Where it was to listen.
        address: Address,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A thread or its runtime.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running agent. Dropping it ends it at once; [`Agent::drain`] first lets requests finish.
pub struct Agent {
    // Dropped in this order: listeners and workers first, the writer of clusters last.
    proxy: Arc<Proxy>,
    control: Option<JoinHandle<()>>,
    manager: Arc<ClusterManager>,
    admin: Option<Address>,
    state: ServerState,
    ready: watch::Receiver<bool>,
    /// `/quitquitquit` was called.
    quit: CancellationToken,
    /// Ends the control thread.
    end: CancellationToken,
}

impl Agent {
    /// Binds everything, starts all threads and returns; listeners accept once the agent is ready. `levels`
    /// are those of the log, for `/logging`.
    ///
    /// # Errors
    /// The first address that cannot be bound; nothing stays bound then.
    pub fn start(loaded: Loaded, args: &Args, levels: Levels) -> Result<Self, StartError> {
        let Loaded { plan, message } = loaded;
        for note in &plan.not_in_force {
            tracing::info!(field = &*note.field, "not in force");
        }
        let manager = ClusterManager::start_at(place(&plan)).map_err(StartError::Thread)?;
        let manager = Arc::new(manager);
        let directory = manager.directory().clone();
        let proxy = Arc::new(Proxy::bind(proxy_config(&plan, args, directory.clone()))?);
        let (admin, admin_socket) = match &plan.admin {
            Some(address) => {
                let failed = |cause| StartError::Admin { address: address.clone(), cause };
                let (bound, socket) = bind_admin(address).map_err(failed)?;
                (Some(bound), Some(socket))
            }
            None => (None, None),
        };
        let state = ServerState::new();
        let (quit, end) = (CancellationToken::new(), CancellationToken::new());
        let files = Files::new(plan.settings.file_poll_interval);
        let last_good = LastGood::of(args, &plan);
        let driver = plan.ads.as_ref().map(|ads| xds::driver(ads, &plan));
        let referenced: BTreeSet<_> = plan.referenced_clusters().cloned().collect();
        let settings = plan.assembler_settings();
        let assembler = Assembler::new(plan.clusters.clone(), settings, referenced, now());
        let assembler = Arc::new(Mutex::new(assembler));
        let timeline = Arc::<Mutex<Timeline>>::default();
        let runtime = RuntimeValues::new(&Bootstrap::decode(&*message).unwrap_or_default());
        let sources = Sources {
            state: state.clone(),
            quit: quit.clone(),
            started: now().wall,
            clock: || now().wall,
            instant: || now().mono,
            options: options::shown(args),
            bootstrap: message,
            tags: options::tags(&plan.stats),
            not_in_force: plan.not_in_force.clone(),
            directory,
            assembler: Arc::clone(&assembler),
            timeline: Arc::clone(&timeline),
            xds: driver.as_ref().map(Driver::status),
            files: files.status(),
            last_good: last_good.as_ref().map(LastGood::status),
            proxy: Arc::clone(&proxy),
            static_listeners: plan.listeners.clone(),
            drain_time: args.drain_time(),
            log: Arc::new(levels),
            runtime,
            workers: args.workers(),
        };
        let (ready_sender, ready) = watch::channel(false);
        let thread = ControlThread {
            assembler,
            timeline,
            manager: Arc::clone(&manager),
            proxy: Arc::clone(&proxy),
            driver,
            files,
            file_plan: plan.files.clone(),
            last_good,
            admin: admin_socket,
            sources: Arc::new(sources),
            state: state.clone(),
            ready: ready_sender,
            end: end.clone(),
        };
        let control = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || thread.run())
            .map_err(StartError::Thread)?;
        Ok(Self { proxy, control: Some(control), manager, admin, state, ready, quit, end })
    }

    /// Where the admin port really listens.
    pub fn admin(&self) -> Option<&Address> {
        self.admin.as_ref()
    }

    /// Listeners with their real addresses.
    pub fn listeners(&self) -> &[BoundListener] {
        self.proxy.listeners()
    }

    /// Live clusters.
    pub fn directory(&self) -> &Directory {
        self.manager.directory()
    }

    /// Resolves when the listeners accept, or when that can no longer happen.
    pub async fn ready(&self) {
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// Cancelled when `/quitquitquit` is called.
    pub fn quit(&self) -> &CancellationToken {
        &self.quit
    }

    /// Opens the files of access logs anew, as after they were moved away.
    pub fn reopen_logs(&self) {
        self.proxy.reopen_logs();
    }

    /// Closes the listeners, lets requests in flight finish for as long as `time`, and ends.
    pub async fn drain(self, time: Duration) {
        self.state.set(Stage::Draining);
        self.proxy.drain(time).await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(control) = self.control.take() {
            // A panic there was printed already.
            let _ = control.join();
        }
    }
}

/// Where this proxy is, for zone-aware routing.
fn place(plan: &BootstrapPlan) -> Place {
    let locality = plan.node.as_ref().and_then(|node| node.locality.as_ref());
    let zone = locality.map(|own| Locality::new(&own.region, &own.zone, &own.sub_zone));
    Place {
        zone: zone.unwrap_or_default(),
        local_cluster: plan.local_cluster.clone(),
        ..Place::default()
    }
}

fn proxy_config(plan: &BootstrapPlan, args: &Args, directory: Directory) -> ProxyConfig {
    let listeners = plan.listeners.iter().map(|listener| Arc::new(listener.policy.clone()));
    ProxyConfig {
        concurrency: args.workers(),
        node: node::identity(plan),
        access_log_flush: Duration::from_millis(args.file_flush_interval_msec),
        ..ProxyConfig::new(listeners.collect(), directory)
    }
}

/// A bound socket that no runtime knows yet.
enum AdminSocket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

fn bind_admin(address: &Address) -> io::Result<(Address, AdminSocket)> {
    match address {
        Address::Ip(ip) => {
            let listener = std::net::TcpListener::bind(ip)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?.into(), AdminSocket::Tcp(listener)))
        }
        Address::Pipe(path) => {
            let listener = bind_pipe(path)?;
            listener.set_nonblocking(true)?;
            Ok((address.clone(), AdminSocket::Unix(listener)))
        }
    }
}

/// A path that an earlier run left behind is taken over; one that somebody listens on is not.
fn bind_pipe(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::net::{UnixListener, UnixStream};
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

impl AdminSocket {
    /// Needs the runtime that is to serve it.
    fn register(self) -> io::Result<AdminListener> {
        Ok(match self {
            Self::Tcp(listener) => AdminListener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Self::Unix(listener) => {
                AdminListener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        })
    }
}

/// All that runs on the control thread: the session, the assembler, names, the admin port.
struct ControlThread {
    assembler: Arc<Mutex<Assembler>>,
    timeline: Arc<Mutex<Timeline>>,
    manager: Arc<ClusterManager>,
    proxy: Arc<Proxy>,
    driver: Option<Driver>,
    files: Files,
    file_plan: FilePlan,
    last_good: Option<LastGood>,
    admin: Option<AdminSocket>,
    sources: Arc<Sources>,
    state: ServerState,
    ready: watch::Sender<bool>,
    end: CancellationToken,
}

impl ControlThread {
    fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.until_end()),
            Err(error) => tracing::error!(%error, "the control thread has no runtime"),
        }
    }

    async fn until_end(self) {
        if let Some(socket) = self.admin {
            match socket.register() {
                Ok(listener) => {
                    tokio::spawn(serve(listener, self.sources, self.end.clone()));
                }
                Err(error) => tracing::error!(%error, "the admin port cannot be served"),
            }
        }
        let subscriptions = self.driver.as_ref().map(Driver::subscriptions);
        let FilePlan { clusters, listeners } = self.file_plan;
        if let Some(subscriptions) = &subscriptions
            && clusters.is_none()
        {
            subscriptions.subscribe_wildcard(TypeUrl::CLUSTER);
        }
        let (resolver, answers) = dns::Resolver::new(dns::System);
        let manager = Arc::clone(&self.manager);
        let origins = Origins {
            subscriptions,
            session: self.driver.as_ref().map(Driver::status),
            files: self.files.control(),
            last_good: self.last_good,
        };
        let whole = [(clusters, TypeUrl::CLUSTER), (listeners, TypeUrl::LISTENER)];
        for (path, type_url) in whole {
            if let Some(path) = path {
                origins.files.watch_all(FileSource { path, type_url });
            }
        }
        let control = Control::new(self.assembler, self.timeline, self.manager, origins, resolver);
        self.state.set(Stage::Initializing);
        let mut initialized = control.initialized();
        let become_ready = async {
            if initialized.wait_for(|initialized| *initialized).await.is_err() {
                return;
            }
            // The first request must find what readiness promised.
            manager.flush().await;
            if let Err(error) = self.proxy.accept() {
                tracing::error!(%error, "cannot accept");
                return;
            }
            self.state.set(Stage::Live);
            tracing::info!("ready");
            let _ = self.ready.send(true);
        };
        let session = async {
            if let Some(driver) = self.driver {
                driver.run(|event| control.handle_event(event)).await;
            }
        };
        let files = self.files.run(|event| control.handle_file(event));
        let last_good = async {
            if let Some(last_good) = control.last_good() {
                last_good.run(&control).await;
            }
        };
        let work =
            async { tokio::join!(become_ready, session, files, last_good, control.run(answers)) };
        tokio::select! {
            _ = work => {}
            () = self.end.cancelled() => {}
        }
        if let Some(last_good) = control.last_good() {
            last_good.save(&control).await;
        }
    }
}
