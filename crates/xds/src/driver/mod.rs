mod codec;
mod config;
mod dial;
mod link;
mod secure;

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

pub use self::config::{ControlPlane, DriverConfig, Keepalive, Server};
use self::link::{Link, LinkEvent};
pub use self::secure::{Credentials, Duplex, Secure, Securing};
use crate::{
    Event, Reply, Session, SessionConfig, StatusHandle, StreamError, Ticket, TypeUrl, Update,
};

/// Runs a [`Session`] over tonic on the current thread.
#[derive(Debug)]
pub struct Driver {
    config: DriverConfig,
    session: Session,
    status: StatusHandle,
    commands: (mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Command>),
}

/// Changes subscriptions from outside of the handler, from any thread.
#[derive(Clone, Debug)]
pub struct Subscriptions(mpsc::UnboundedSender<Command>);

#[derive(Debug)]
enum Command {
    Wildcard(TypeUrl),
    Names(TypeUrl, BTreeSet<String>),
}

impl Subscriptions {
    /// See [`Session::subscribe_wildcard`].
    pub fn subscribe_wildcard(&self, type_url: TypeUrl) {
        let _ = self.0.send(Command::Wildcard(type_url));
    }

    /// See [`Session::set_names`].
    pub fn set_names(&self, type_url: TypeUrl, names: BTreeSet<String>) {
        let _ = self.0.send(Command::Names(type_url, names));
    }
}

impl Driver {
    /// A driver that does not run yet. The seed feeds the jitter of reconnects.
    pub fn new(config: DriverConfig, mut session: SessionConfig, seed: u64) -> Self {
        session.servers = config.servers.len();
        let session = Session::new(session, seed);
        let status = StatusHandle::new(session.status().clone());
        Self { config, session, status, commands: mpsc::unbounded_channel() }
    }

    /// What the admin port reads.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }

    /// Changes subscriptions before and while it runs.
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions(self.commands.0.clone())
    }

    /// Connects and reconnects until it is dropped; it never returns. The handler runs on this task
    /// and must not block. What it says to an update goes out in the same turn.
    pub async fn run(self, mut handler: impl FnMut(Event) -> Reply) {
        let Self { config, mut session, status, commands: (_keep, mut commands) } = self;
        let mut link = Link::Down;
        // To a better control plane, while a worse one is spoken to.
        let mut probe = Link::Down;
        loop {
            let now = now();
            if let Some(variant) = session.poll_connect(now) {
                link = Link::connect(&config.servers[session.server()], variant);
            }
            if let Some((server, variant)) = session.poll_probe(now) {
                probe = Link::connect(&config.servers[server], variant);
            }
            for event in session.handle_timeout(now) {
                subscribe(&mut session, handler(event));
            }
            while let Some(request) = session.poll_request(now) {
                link.send(request);
            }
            status.store(session.status().clone());

            let timeout = session.poll_timeout();
            tokio::select! {
                event = link.next(config.max_message_bytes) => {
                    let closed = match event {
                        LinkEvent::Connected => {
                            session.handle_connected(self::now());
                            subscribe(&mut session, handler(Event::Connected));
                            None
                        }
                        LinkEvent::Message(message) => {
                            handle_message(&mut session, message, &mut handler).err()
                        }
                        LinkEvent::Closed(error) => Some(error),
                    };
                    if let Some(error) = closed {
                        link = Link::Down;
                        session.handle_stream_closed(&error, self::now());
                        subscribe(&mut session, handler(Event::Disconnected(error)));
                    }
                }
                event = probe.next(config.max_message_bytes) => match event {
                    LinkEvent::Connected => {
                        session.handle_probe_connected().into_iter().for_each(|it| probe.send(it));
                    }
                    LinkEvent::Message(message) => {
                        match session.handle_probe_message(message, self::now()) {
                            Ok(taken) => {
                                link = std::mem::replace(&mut probe, Link::Down);
                                subscribe(&mut session, handler(Event::Connected));
                                judge(&mut session, taken, &mut handler);
                            }
                            Err(error) => {
                                probe = Link::Down;
                                session.handle_probe_closed(&error, self::now());
                            }
                        }
                    }
                    LinkEvent::Closed(error) => session.handle_probe_closed(&error, self::now()),
                },
                Some(command) = commands.recv() => match command {
                    Command::Wildcard(type_url) => session.subscribe_wildcard(type_url),
                    Command::Names(type_url, names) => session.set_names(type_url, names),
                },
                () = sleep_until(timeout) => {}
            }
        }
    }
}

fn handle_message(
    session: &mut Session,
    message: Bytes,
    handler: &mut impl FnMut(Event) -> Reply,
) -> Result<(), StreamError> {
    let taken = session.handle_message(message, now())?;
    judge(session, taken, handler);
    Ok(())
}

fn judge(
    session: &mut Session,
    taken: Option<(Update, Ticket)>,
    handler: &mut impl FnMut(Event) -> Reply,
) {
    let Some((update, ticket)) = taken else { return };
    let mut reply = handler(Event::Update(update));
    session.handle_verdict(ticket, std::mem::take(&mut reply.verdict), now());
    subscribe(session, reply);
}

fn subscribe(session: &mut Session, reply: Reply) {
    for (type_url, names) in reply.names {
        session.set_names(type_url, names);
    }
}

/// Tokio's clock, so that tests may stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
