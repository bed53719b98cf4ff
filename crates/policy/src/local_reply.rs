//! How answers that are made here are worded (`http_connection_manager.proto: LocalReplyConfig`).

use std::sync::Arc;

use http::StatusCode;

use crate::{AccessLogFilter, Format, HeaderMutation};

/// `local_reply_config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalReplyPolicy {
    /// `mappers`: the first whose filter holds applies.
    pub mappers: Box<[LocalReplyMapper]>,
    /// `body_format`. Default: the body as it is, as `text/plain`.
    pub body_format: Option<Format>,
}

impl LocalReplyPolicy {
    /// Whether every answer stays as it is.
    pub fn is_empty(&self) -> bool {
        self.mappers.is_empty() && self.body_format.is_none()
    }
}

/// `ResponseMapper`.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalReplyMapper {
    /// `filter`.
    pub filter: AccessLogFilter,
    /// `status_code`. Default that of the answer.
    pub status: Option<StatusCode>,
    /// `body`, which `%LOCAL_REPLY_BODY%` says then. Default that of the answer.
    pub body: Option<Arc<[u8]>>,
    /// `headers_to_add`, made before the status changes.
    pub headers: Arc<HeaderMutation>,
    /// `body_format_override`. Default `body_format`.
    pub body_format: Option<Format>,
}
