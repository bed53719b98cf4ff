//! `/config_dump` (`config_dump.proto`): every resource as it came, by type.

mod item;
mod mask;
mod sections;

use std::sync::Arc;

use axum::http::StatusCode;
use destrier_envoy_json::Pool;
use regex::Regex;
use serde_json::Value;

use crate::answer::{Answer, JSON};
use crate::json::JsonPage;
use crate::query::{Query, cause_of};
use crate::sources::Sources;
use crate::stream::{Gone, Out};
pub(crate) use item::{CLUSTER, ENDPOINTS, timestamp};
use mask::Mask;
use sections::{Content, List, Section, sections};

/// Whether assignments are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoints {
    Omitted,
    Included,
}

/// `?name_regex=`: a name has to match as a whole.
struct Names(Option<Regex>);

impl Names {
    fn read(query: &Query) -> Result<Self, Answer> {
        let Some(pattern) = query.given("name_regex") else { return Ok(Self(None)) };
        let whole = Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        whole.map(|regex| Self(Some(regex))).map_err(|error| {
            let cause = cause_of(&error);
            let text = format!(
                "INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {cause}: {pattern}"
            );
            Answer::fault(StatusCode::BAD_REQUEST, text)
        })
    }

    fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(name))
    }
}

pub(crate) fn page(sources: &Arc<Sources>, query: &Query) -> Answer {
    let endpoints = match query.get("include_eds") {
        None | Some("false" | "0") => Endpoints::Omitted,
        Some(_) => Endpoints::Included,
    };
    let names = match Names::read(query) {
        Ok(names) => names,
        Err(answer) => return answer,
    };
    let sections = sections(sources, endpoints, &names);
    let mask = query.given("mask").map(Mask::read);
    let answer = match query.given("resource") {
        Some(resource) => one_list(sections, resource, mask),
        None => all(sections, mask),
    };
    answer.unwrap_or_else(|fault| fault)
}

/// The dumps, one after the other.
fn all(mut sections: Vec<Section>, mask: Option<Mask>) -> Result<Answer, Answer> {
    if let Some(mask) = mask {
        sections = sections.into_iter().filter_map(|section| mask.trim(section)).collect();
        if sections.is_empty() {
            let text =
                format!("FieldMask {mask} could not be successfully applied to any configs.");
            return Err(Answer::fault(StatusCode::BAD_REQUEST, text));
        }
    }
    Ok(Answer::streamed(JSON, |out| write_sections(out, sections)))
}

/// The elements of one list, each with its type.
fn one_list(sections: Vec<Section>, resource: &str, mask: Option<Mask>) -> Result<Answer, Answer> {
    let known = sections.into_iter().flat_map(|section| section.fields);
    let found = known.into_iter().find(|(name, _)| *name == resource);
    let list = match found {
        None => {
            let text = format!("{resource} not found in config dump");
            return Err(Answer::fault(StatusCode::NOT_FOUND, text));
        }
        Some((_, Content::Value(_))) => {
            let text = format!(
                "{resource} is not a repeated field. Use ?mask={resource} to get only this field"
            );
            return Err(Answer::fault(StatusCode::BAD_REQUEST, text));
        }
        Some((_, Content::List(list))) => list,
    };
    if list.items.is_empty() {
        return Ok(Answer::new(JSON, "{}\n"));
    }
    if let (Some(mask), Some(first)) = (&mask, list.items.first()) {
        let first = typed(&list, &Pool::new(), first);
        if let Some(path) = mask.first_unknown(&first) {
            let text = format!("FieldMask paths: \"{path}\" could not be successfully used.");
            return Err(Answer::fault(StatusCode::BAD_REQUEST, text));
        }
    }
    Ok(Answer::streamed(JSON, |out| write_list(out, list, mask)))
}

async fn write_sections(out: Out, sections: Vec<Section>) -> Result<Out, Gone> {
    let pool = Pool::new();
    let mut page = JsonPage::new(out);
    page.open(None, '{');
    page.open(Some("configs"), '[');
    for section in sections {
        page.open(None, '{');
        page.value(Some("@type"), &section.type_url.into()).await?;
        for (name, content) in section.fields {
            match content {
                Content::Value(Value::Null) => {}
                Content::Value(value) => page.value(Some(name), &value).await?,
                Content::List(list) if list.items.is_empty() => {}
                Content::List(list) => {
                    page.open(Some(name), '[');
                    for item in list.items {
                        page.value(None, &item.value(&pool)).await?;
                    }
                    page.close(']');
                }
            }
        }
        page.close('}');
    }
    page.close(']');
    page.close('}');
    Ok(page.finish())
}

async fn write_list(out: Out, mut list: List, mask: Option<Mask>) -> Result<Out, Gone> {
    let pool = Pool::new();
    let mut page = JsonPage::new(out);
    page.open(None, '{');
    page.open(Some("configs"), '[');
    // One by one, so that what was written is held no longer.
    for item in std::mem::take(&mut list.items) {
        let mut value = typed(&list, &pool, &item);
        if let Some(mask) = &mask {
            value = mask.applied(&value);
        }
        page.value(None, &value).await?;
    }
    page.close(']');
    page.close('}');
    Ok(page.finish())
}

/// An element as an `Any` of its own.
fn typed(list: &List, pool: &Pool, item: &item::Item) -> Value {
    let url = format!("type.googleapis.com/envoy.admin.v3.{}", list.kind);
    let mut typed = serde_json::Map::from_iter([("@type".into(), Value::from(url))]);
    if let Value::Object(fields) = item.value(pool) {
        typed.extend(fields);
    }
    Value::Object(typed)
}
