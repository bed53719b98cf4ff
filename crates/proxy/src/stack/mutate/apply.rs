//! Adds and removes headers.

use std::sync::Arc;

use destrier_policy::{AppendAction, HeaderFormat, HeaderMutation};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::value::Known;

/// Does what each level asks for, one after the other. Within a level values are made of the headers that
/// are left after removing; those that overwrite come before those that are added (Envoy:
/// `HeaderParser::evaluateHeaders`).
pub(super) fn apply(
    levels: &[Arc<HeaderMutation>],
    known: &Known<'_>,
    headers: &mut HeaderMap,
) {
    for level in levels {
        level.remove.iter().for_each(|name| drop(headers.remove(name)));
        let mut overwritten: SmallVec<[(&HeaderName, HeaderValue); 4]> = SmallVec::new();
        let mut added: SmallVec<[(&HeaderName, HeaderValue); 4]> = SmallVec::new();
        for addition in &level.add {
            let list = match addition.action {
                AppendAction::Append => &mut added,
                AppendAction::AddIfAbsent if headers.contains_key(&addition.name) => continue,
                AppendAction::AddIfAbsent => &mut added,
                AppendAction::OverwriteIfExists if !headers.contains_key(&addition.name) => {
                    continue;
                }
                AppendAction::OverwriteIfExists | AppendAction::Overwrite => &mut overwritten,
            };
            let value = match &addition.value {
                HeaderFormat::Literal(value) => value.clone(),
                HeaderFormat::Parts(parts) => known.value(parts, headers),
            };
            if !value.is_empty() || addition.keep_empty {
                list.push((&addition.name, value));
            }
        }
        for (name, value) in overwritten {
            headers.insert(name, value);
        }
        for (name, value) in added {
            headers.append(name, value);
        }
    }
}
