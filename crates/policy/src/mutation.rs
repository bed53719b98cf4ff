//! Headers that a route adds and removes (`base.proto: HeaderValueOption`; `request_headers_to_add` and its
//! kin at each level of a route table).

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::{FormatOperator, FormatPart};

/// What one level asks for of one kind of message. Removing comes before adding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderMutation {
    /// `*_headers_to_remove`.
    pub remove: Box<[HeaderName]>,
    /// `*_headers_to_add`.
    pub add: Box<[HeaderAddition]>,
}

/// `HeaderValueOption`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderAddition {
    /// `header.key`.
    pub name: HeaderName,
    /// `header.value`.
    pub value: HeaderFormat,
    /// `append_action`.
    pub action: AppendAction,
    /// `keep_empty_value`: whether it is added when its value is empty.
    pub keep_empty: bool,
}

/// A header's value, perhaps made of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderFormat {
    /// The same for all.
    Literal(HeaderValue),
    /// Made of what is known. An operator without a value is empty.
    Parts(Box<[FormatPart]>),
}

impl HeaderFormat {
    /// The format, unless it is a literal.
    pub fn parts(&self) -> Option<&[FormatPart]> {
        match self {
            Self::Literal(_) => None,
            Self::Parts(parts) => Some(parts),
        }
    }

    /// Whether it is made of the request's head.
    fn asks_for_request(&self) -> bool {
        use FormatOperator as Op;
        let Self::Parts(parts) = self else { return false };
        parts.iter().any(|part| match part {
            FormatPart::Literal(_) => false,
            FormatPart::Operator(operator, _) => matches!(
                operator,
                Op::Request(_)
                    | Op::RequestWithoutQuery(_)
                    | Op::Path(_)
                    | Op::QueryParam(_)
                    | Op::QueryParams(_)
            ),
        })
    }
}

/// `append_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendAction {
    /// One more header, whether there is one or not. The default.
    #[default]
    Append,
    /// Only where there is none.
    AddIfAbsent,
    /// Instead of those that are there, if any.
    Overwrite,
    /// Instead of those that are there, and not at all where there is none.
    OverwriteIfExists,
}

/// What all levels ask for, each in the order in which it is applied: what is applied later wins.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderMutations {
    /// Of requests.
    pub request: Box<[Arc<HeaderMutation>]>,
    /// Of answers.
    pub response: Box<[Arc<HeaderMutation>]>,
    keeps_request: bool,
}

impl HeaderMutations {
    /// `None` when nothing is asked for.
    pub fn new(
        request: Box<[Arc<HeaderMutation>]>,
        response: Box<[Arc<HeaderMutation>]>,
    ) -> Option<Self> {
        let mut additions = response.iter().flat_map(|level| level.add.iter());
        let keeps_request = additions.any(|addition| addition.value.asks_for_request());
        let asked = !request.is_empty() || !response.is_empty();
        asked.then_some(Self { request, response, keeps_request })
    }

    /// Whether headers of answers are made of the request's head, which has to be kept until then.
    pub fn keeps_request(&self) -> bool {
        self.keeps_request
    }
}
