//! Answers that send a client elsewhere (`route_components.proto: RedirectAction`).

use http::StatusCode;

use crate::RegexRewrite;

/// `RedirectAction`: what of the request's address is another in `location`.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// `response_code`. Default 301.
    pub status: StatusCode,
    /// `https_redirect` (`https`) or `scheme_redirect`; `None` is the request's.
    pub scheme: Option<Box<str>>,
    /// `host_redirect`; `None` is the request's, with its port.
    pub host: Option<Box<str>>,
    /// `port_redirect`, instead of the port of the request's host.
    pub port: Option<u32>,
    /// `path_rewrite_specifier`.
    pub path: RedirectPath,
    /// `strip_query`: whether the query of the request is left out.
    pub strip_query: bool,
}

/// `path_rewrite_specifier`.
#[derive(Clone, Debug, PartialEq)]
pub enum RedirectPath {
    /// The request's.
    Kept,
    /// `path_redirect`: this one. With a query of its own that of the request is left out.
    Whole(Box<str>),
    /// `prefix_rewrite`: instead of what the route matched.
    Prefix(Box<str>),
    /// `regex_rewrite`, over the whole path.
    Regex(RegexRewrite),
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            status: StatusCode::MOVED_PERMANENTLY,
            scheme: None,
            host: None,
            port: None,
            path: RedirectPath::Kept,
            strip_query: false,
        }
    }
}
