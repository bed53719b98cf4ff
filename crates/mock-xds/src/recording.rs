//! What clients sent, in the order of arrival.

use std::fmt;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use tokio::time::Instant;

/// Counts the streams that the server has seen, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// The two variants of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// `DeltaAggregatedResources`.
    Delta,
    /// `StreamAggregatedResources`, state-of-the-world.
    Sotw,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Of the delta variant.
    Delta(DeltaDiscoveryRequest),
    /// Of the state-of-the-world variant.
    Sotw(DiscoveryRequest),
}

/// A request with its place in the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The stream that it came on.
    pub stream: StreamId,
    /// When it was read, by tokio's clock.
    pub at: Instant,
    /// What it says.
    pub request: Request,
}

/// What a request is for, by its nonce and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// No nonce: it opens a type or changes a subscription.
    Spontaneous,
    /// A nonce and no error. In state-of-the-world it may change the names as well.
    Ack,
    /// A nonce and an error.
    Nack,
}

impl Request {
    /// The resource type.
    pub fn type_url(&self) -> &str {
        match self {
            Self::Delta(request) => &request.type_url,
            Self::Sotw(request) => &request.type_url,
        }
    }

    /// The nonce of the response that it answers; empty when it answers none.
    pub fn nonce(&self) -> &str {
        match self {
            Self::Delta(request) => &request.response_nonce,
            Self::Sotw(request) => &request.response_nonce,
        }
    }

    /// The text of a NACK.
    pub fn error(&self) -> Option<&str> {
        let error = match self {
            Self::Delta(request) => &request.error_detail,
            Self::Sotw(request) => &request.error_detail,
        };
        error.as_ref().map(|status| status.message.as_str())
    }

    /// The node, which only the first request of a stream has to carry.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Delta(request) => request.node.as_ref(),
            Self::Sotw(request) => request.node.as_ref(),
        }
    }

    /// The names asked for: those newly subscribed in delta, all of them in state-of-the-world.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Delta(request) => &request.resource_names_subscribe,
            Self::Sotw(request) => &request.resource_names,
        }
    }

    /// What the request is for.
    pub fn purpose(&self) -> Purpose {
        if self.error().is_some() {
            Purpose::Nack
        } else if self.nonce().is_empty() {
            Purpose::Spontaneous
        } else {
            Purpose::Ack
        }
    }

    /// The delta request, if it is one.
    pub fn as_delta(&self) -> Option<&DeltaDiscoveryRequest> {
        match self {
            Self::Delta(request) => Some(request),
            Self::Sotw(_) => None,
        }
    }

    /// The state-of-the-world request, if it is one.
    pub fn as_sotw(&self) -> Option<&DiscoveryRequest> {
        match self {
            Self::Sotw(request) => Some(request),
            Self::Delta(_) => None,
        }
    }
}

impl Recorded {
    /// True for a request of that type and purpose.
    pub fn is(&self, type_url: &str, purpose: Purpose) -> bool {
        self.request.type_url() == type_url && self.request.purpose() == purpose
    }
}

/// One line for a person who watches.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        let kind = request.type_url().rsplit('.').next().unwrap_or_default();
        write!(f, "stream {} {kind}", self.stream.0)?;
        match request.purpose() {
            Purpose::Spontaneous => f.write_str(" REQUEST")?,
            Purpose::Ack => write!(f, " ACK {}", request.nonce())?,
            Purpose::Nack => write!(
                f,
                " NACK {}: {}",
                request.nonce(),
                request.error().unwrap_or_default().replace('\n', " ")
            )?,
        }
        match request {
            Request::Delta(delta) => {
                if !delta.resource_names_subscribe.is_empty() {
                    write!(f, " +{}", delta.resource_names_subscribe.join(" +"))?;
                }
                if !delta.resource_names_unsubscribe.is_empty() {
                    write!(f, " -{}", delta.resource_names_unsubscribe.join(" -"))?;
                }
                if !delta.initial_resource_versions.is_empty() {
                    write!(f, " holds {}", delta.initial_resource_versions.len())?;
                }
            }
            Request::Sotw(sotw) => {
                write!(f, " version {:?}", sotw.version_info)?;
                if !sotw.resource_names.is_empty() {
                    write!(f, " names {}", sotw.resource_names.join(" "))?;
                }
            }
        }
        if let Some(node) = request.node() {
            write!(f, " node {:?}", node.id)?;
        }
        Ok(())
    }
}

/// The clients did not send in time what was waited for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{waited_for}: not seen in time among {} requests:\n{}", seen.len(), lines(seen))]
pub struct TimedOut {
    /// What the caller called it.
    pub waited_for: String,
    /// All that came.
    pub seen: Vec<Recorded>,
}

fn lines(seen: &[Recorded]) -> String {
    seen.iter().map(|recorded| format!("  {recorded}\n")).collect()
}
