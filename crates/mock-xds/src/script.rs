//! Misbehaviour on request.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use prost::Message;
use tonic::Status;

use crate::recording::Variant;

/// What the server does wrong from now on; the default is nothing.
#[derive(Clone, Default)]
pub struct Script {
    pub(crate) refuse: Option<(Option<Variant>, Status)>,
    pub(crate) headers: Headers,
    pub(crate) silent: BTreeSet<String>,
    pub(crate) close_after: Option<(usize, Status)>,
    pub(crate) rewrite: Option<Rewrite>,
}

pub(crate) type Rewrite = Arc<dyn Fn(&mut Response) + Send + Sync>;

/// When a new stream gets its response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Headers {
    /// At once.
    #[default]
    AtOnce,
    /// With the first request, so that a client that waits for headers before it asks is stuck.
    AfterFirstRequest,
}

/// A response on its way out.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// For a delta stream.
    Delta(DeltaDiscoveryResponse),
    /// For a state-of-the-world stream.
    Sotw(DiscoveryResponse),
}

impl Script {
    /// Nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends each new stream of the variant (both, if `None`) with the status before any answer.
    pub fn refuse(mut self, variant: Option<Variant>, status: Status) -> Self {
        self.refuse = Some((variant, status));
        self
    }

    /// Chooses when response headers are sent.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Reads the requests of the type and never answers them.
    pub fn never_answer(mut self, type_url: &str) -> Self {
        self.silent.insert(type_url.to_owned());
        self
    }

    /// Ends each stream with the status after it was sent so many responses.
    pub fn close_after(mut self, responses: usize, status: Status) -> Self {
        self.close_after = Some((responses, status));
        self
    }

    /// Changes each response before it is sent: its nonce, its version, a resource twice, another
    /// type inside. The nonce that is really sent is the one that the server expects back.
    pub fn rewrite(mut self, rewrite: impl Fn(&mut Response) + Send + Sync + 'static) -> Self {
        self.rewrite = Some(Arc::new(rewrite));
        self
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("refuse", &self.refuse)
            .field("headers", &self.headers)
            .field("silent", &self.silent)
            .field("close_after", &self.close_after)
            .field("rewrite", &self.rewrite.is_some())
            .finish()
    }
}

impl Response {
    /// The variant of the stream that it is for.
    pub fn variant(&self) -> Variant {
        match self {
            Self::Delta(_) => Variant::Delta,
            Self::Sotw(_) => Variant::Sotw,
        }
    }

    /// The resource type.
    pub fn type_url(&self) -> &str {
        match self {
            Self::Delta(response) => &response.type_url,
            Self::Sotw(response) => &response.type_url,
        }
    }

    pub(crate) fn nonce(&self) -> &str {
        match self {
            Self::Delta(response) => &response.nonce,
            Self::Sotw(response) => &response.nonce,
        }
    }

    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Delta(response) => response.encode_to_vec().into(),
            Self::Sotw(response) => response.encode_to_vec().into(),
        }
    }
}
