//! `/stats` and `/stats/prometheus`.

mod collect;
mod json;
mod prometheus;
mod tags;
mod text;

use regex::Regex;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;
use collect::{Kind, Stat, collect};

pub use tags::{DefaultTags, StatsTag, StatsTagValue, Tags};

/// What a query asks for.
struct Wanted {
    filter: Option<Regex>,
    used_only: bool,
    kind: Option<Kind>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Answer> {
        let kind = match query.get("type") {
            None | Some("All") => None,
            Some("Counters") => Some(Kind::Counter),
            Some("Gauges") => Some(Kind::Gauge),
            Some("Histograms") => Some(Kind::Histogram),
            Some("TextReadouts") => Some(Kind::Text),
            Some(_) => return Err(Answer::bad_request("invalid &type= param")),
        };
        Ok(Self { filter: query.filter()?, used_only: query.has("usedonly"), kind })
    }

    fn wants(&self, name: &str, stat: &Stat) -> bool {
        self.kind.is_none_or(|kind| stat.kind() == kind)
            && (!self.used_only || stat.is_used())
            && self.filter.as_ref().is_none_or(|filter| filter.is_match(name))
    }
}

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    let wanted = match Wanted::read(query) {
        Ok(wanted) => wanted,
        Err(answer) => return answer,
    };
    match query.get("format") {
        None | Some("text") => Answer::ok(text::render(collect(sources, &wanted))),
        Some("json") => Answer::compact_json(&json::render(collect(sources, &wanted))),
        Some("prometheus") => prometheus_page(sources, query),
        Some(_) => Answer::bad_request("usage: /stats?format=(json|prometheus|text)\n\n"),
    }
}

pub(crate) fn prometheus_page(sources: &Sources, query: &Query) -> Answer {
    match Wanted::read(query) {
        Ok(wanted) => Answer::ok(prometheus::render(sources, &wanted)),
        Err(answer) => answer,
    }
}
