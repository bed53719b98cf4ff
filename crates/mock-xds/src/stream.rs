//! One client stream: requests in, responses out.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::delta::DeltaStream;
use crate::recording::{Recorded, Request, StreamId, Variant};
use crate::script::{Headers, Response};
use crate::server::{OpenStream, Shared, State};
use crate::sotw::SotwStream;
use crate::type_url::PUSH_ORDER;

/// What the script tells an open stream.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Send(Response),
    SendBytes(Bytes),
    Close(Status),
}

type Responses = mpsc::UnboundedSender<Result<Bytes, Status>>;

/// Starts the task of a stream; the receiver is what the client gets.
pub(crate) async fn open(
    shared: Arc<Shared>,
    variant: Variant,
    requests: Streaming<Bytes>,
) -> Result<mpsc::UnboundedReceiver<Result<Bytes, Status>>, Status> {
    let (responses, receiver) = mpsc::unbounded_channel();
    let (commands, command_receiver) = mpsc::unbounded_channel();
    let (asked, first_request) = oneshot::channel();
    let headers;
    let stream = {
        let mut state = shared.lock();
        state.opened += 1;
        let id = StreamId(state.opened);
        if let Some((refused, status)) = &state.script.refuse
            && refused.is_none_or(|refused| refused == variant)
        {
            return Err(status.clone());
        }
        headers = state.script.headers;
        state.streams.insert(id, OpenStream { variant, commands });
        Stream { id, protocol: Protocol::new(variant), responses, sent: 0 }
    };
    let revisions = shared.revisions.subscribe();
    tokio::spawn(stream.run(Arc::clone(&shared), requests, command_receiver, revisions, asked));
    if headers == Headers::AfterFirstRequest {
        first_request.await.map_err(|_| Status::cancelled("the stream ended without a request"))?;
    }
    Ok(receiver)
}

enum Protocol {
    Delta(DeltaStream),
    Sotw(SotwStream),
}

struct Stream {
    id: StreamId,
    protocol: Protocol,
    responses: Responses,
    sent: usize,
}

/// The stream has ended and sends no more.
struct Ended;

impl Stream {
    async fn run(
        mut self,
        shared: Arc<Shared>,
        mut requests: Streaming<Bytes>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut revisions: watch::Receiver<u64>,
        asked: oneshot::Sender<()>,
    ) {
        let mut asked = Some(asked);
        let responses = self.responses.clone();
        loop {
            // Requests go before changes, as in istiod.
            let step = tokio::select! {
                biased;
                Some(command) = commands.recv() => self.handle_command(command),
                request = requests.message() => match request {
                    Ok(Some(bytes)) => {
                        let step = self.handle_request(&shared, &bytes);
                        asked.take().map(|asked| asked.send(()));
                        step
                    }
                    Ok(None) => break,
                    Err(status) => self.close(as_go_says_it(status)),
                },
                Ok(()) = revisions.changed() => self.push(&mut shared.lock()),
                () = responses.closed() => break,
                else => break,
            };
            if step.is_err() {
                break;
            }
        }
        shared.lock().streams.remove(&self.id);
    }

    fn handle_command(&mut self, command: Command) -> Result<(), Ended> {
        match command {
            Command::Send(response) => {
                self.protocol.expect_nonce(response.type_url(), response.nonce());
                self.emit(response.encode())
            }
            Command::SendBytes(bytes) => self.emit(bytes),
            Command::Close(status) => self.close(status),
        }
    }

    fn handle_request(&mut self, shared: &Shared, bytes: &Bytes) -> Result<(), Ended> {
        let decoded = match self.protocol {
            Protocol::Delta(_) => DeltaDiscoveryRequest::decode(bytes.as_ref()).map(Request::Delta),
            Protocol::Sotw(_) => DiscoveryRequest::decode(bytes.as_ref()).map(Request::Sotw),
        };
        let request = match decoded {
            Ok(request) => request,
            Err(err) => return self.close(Status::invalid_argument(err.to_string())),
        };
        let recorded = Recorded { stream: self.id, at: Instant::now(), request: request.clone() };
        let mut state = shared.lock();
        state.recorded.push(recorded);
        shared.arrivals.send_modify(|arrivals| *arrivals += 1);
        if request.type_url().is_empty() {
            return self.close(Status::invalid_argument("type_url is required in ADS"));
        }
        if state.script.silent.contains(request.type_url()) {
            return Ok(());
        }
        let responses = self.protocol.handle_request(&request, &state);
        self.send(responses, &mut state)
    }

    fn push(&mut self, state: &mut State) -> Result<(), Ended> {
        let watched = self.protocol.types();
        let others = watched.iter().map(String::as_str).filter(|kind| !PUSH_ORDER.contains(kind));
        let in_order = PUSH_ORDER.into_iter().filter(|kind| watched.contains(*kind)).chain(others);
        for type_url in in_order {
            if state.script.silent.contains(type_url) {
                continue;
            }
            let responses = self.protocol.poll_push(type_url, state);
            self.send(responses, state)?;
        }
        Ok(())
    }

    fn send(&mut self, responses: Vec<Response>, state: &mut State) -> Result<(), Ended> {
        for mut response in responses {
            state.nonces += 1;
            let nonce = format!("{}-{}", self.id.0, state.nonces);
            match &mut response {
                Response::Delta(response) => response.nonce = nonce,
                Response::Sotw(response) => response.nonce = nonce,
            }
            if let Some(rewrite) = &state.script.rewrite {
                rewrite(&mut response);
            }
            self.protocol.expect_nonce(response.type_url(), response.nonce());
            self.emit(response.encode())?;
            if let Some((limit, status)) = &state.script.close_after
                && self.sent >= *limit
            {
                return self.close(status.clone());
            }
        }
        Ok(())
    }

    fn emit(&mut self, bytes: Bytes) -> Result<(), Ended> {
        self.sent += 1;
        self.responses.send(Ok(bytes)).map_err(|_| Ended)
    }

    fn close(&mut self, status: Status) -> Result<(), Ended> {
        // A client that is gone needs no status.
        let _ = self.responses.send(Err(status));
        Err(Ended)
    }
}

/// A request above the limit is out of range to tonic and exhausts a resource in Go's servers.
fn as_go_says_it(status: Status) -> Status {
    match status.code() {
        Code::OutOfRange => Status::resource_exhausted(status.message()),
        _ => status,
    }
}

impl Protocol {
    fn new(variant: Variant) -> Self {
        match variant {
            Variant::Delta => Self::Delta(DeltaStream::default()),
            Variant::Sotw => Self::Sotw(SotwStream::default()),
        }
    }

    fn handle_request(&mut self, request: &Request, state: &State) -> Vec<Response> {
        let (store, behaviour) = (&state.store, &state.behaviour);
        match (self, request) {
            (Self::Delta(stream), Request::Delta(request)) => {
                let responses = stream.handle_request(request, store, behaviour);
                responses.into_iter().map(Response::Delta).collect()
            }
            (Self::Sotw(stream), Request::Sotw(request)) => {
                let response = stream.handle_request(request, store, behaviour);
                response.into_iter().map(Response::Sotw).collect()
            }
            _ => unreachable!("a request is decoded by the variant of its stream"),
        }
    }

    fn poll_push(&mut self, type_url: &str, state: &State) -> Vec<Response> {
        let (store, behaviour) = (&state.store, &state.behaviour);
        match self {
            Self::Delta(stream) => {
                let responses = stream.poll_push(type_url, store, behaviour);
                responses.into_iter().map(Response::Delta).collect()
            }
            Self::Sotw(stream) => {
                let response = stream.poll_push(type_url, store, behaviour);
                response.into_iter().map(Response::Sotw).collect()
            }
        }
    }

    fn expect_nonce(&mut self, type_url: &str, nonce: &str) {
        match self {
            Self::Delta(stream) => stream.expect_nonce(type_url, nonce),
            Self::Sotw(stream) => stream.expect_nonce(type_url, nonce),
        }
    }

    fn types(&self) -> BTreeSet<String> {
        match self {
            Self::Delta(stream) => stream.types().map(str::to_owned).collect(),
            Self::Sotw(stream) => stream.types().map(str::to_owned).collect(),
        }
    }
}
