//! `/stats` and `/stats/prometheus`.

mod collect;
mod distribution;
mod json;
mod prometheus;
mod source;
mod tags;
mod text;

use std::sync::Arc;

use regex::Regex;

use crate::answer::{Answer, HTML, JSON, TEXT};
use crate::query::Query;
use crate::sources::Sources;
use collect::{Kind, Stat};
use distribution::Buckets;

pub use tags::{DefaultTags, StatsTag, StatsTagValue, Tags};

/// What a query asks for.
struct Wanted {
    filter: Option<Regex>,
    inverted: bool,
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
        Ok(Self {
            filter: query.filter()?,
            inverted: query.has("invert_filter"),
            used_only: query.has("usedonly"),
            kind,
        })
    }

    /// Before the name is put together: most of what is not wanted falls here.
    fn wants_value(&self, stat: &Stat) -> bool {
        self.kind.is_none_or(|kind| stat.kind() == kind) && (!self.used_only || stat.is_used())
    }

    fn wants_name(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.is_match(name) != self.inverted)
    }
}

pub(crate) fn page(sources: &Arc<Sources>, query: &Query) -> Answer {
    shown(sources, query).unwrap_or_else(|fault| fault)
}

fn shown(sources: &Arc<Sources>, query: &Query) -> Result<Answer, Answer> {
    let wanted = Wanted::read(query)?;
    let buckets = Buckets::read(query)?;
    let groups = || source::groups(sources);
    Ok(match query.get("format") {
        None | Some("text") => {
            let groups = groups();
            Answer::streamed(TEXT, move |out| text::render(out, groups, wanted, buckets))
        }
        Some("html") => {
            let groups = groups();
            Answer::streamed(HTML, move |out| text::render_html(out, groups, wanted, buckets))
        }
        Some("json") => {
            let groups = groups();
            Answer::streamed(JSON, move |out| json::render(out, groups, wanted, buckets))
        }
        Some("prometheus") => prometheus_page(sources, query),
        Some(_) => {
            return Err(Answer::bad_request(
                "usage: /stats?format=(html|json|prometheus|text)\n\n",
            ));
        }
    })
}

pub(crate) fn prometheus_page(sources: &Arc<Sources>, query: &Query) -> Answer {
    let form = Wanted::read(query).and_then(|wanted| {
        // Without a word Prometheus gets buckets, where people get quantiles.
        let buckets = match query.given("histogram_buckets") {
            None => Buckets::Cumulative,
            Some(_) => Buckets::read(query)?,
        };
        let texts = prometheus::Texts::read(query);
        Ok(prometheus::Form { wanted, buckets, texts })
    });
    match form {
        Ok(form) => {
            let sources = Arc::clone(sources);
            Answer::streamed(TEXT, move |out| prometheus::render(out, sources, form))
        }
        Err(answer) => answer,
    }
}
