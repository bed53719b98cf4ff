//! From a response to an [`Update`](crate::Update): the rules of the protocol that hold for every type.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use bytes::Bytes;
use prost::Message;

use crate::{
    Rejection, Resource, TypeUrl, Variant,
    subscription::{Held, Subscription},
    wire::{Any, Response, Ttl, WRAPPER, WrappedResource, string_field},
};

/// A response taken apart.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// New or different from what is held.
    pub(crate) changed: Vec<Resource>,
    /// What to hold if the verdict is good: the changed ones, the equal ones and heartbeats.
    pub(crate) accepted: Vec<Accepted>,
    /// Resources that were byte for byte what is held.
    pub(crate) unchanged: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) rejections: Vec<Rejection>,
    /// What the response does not mention is not there.
    pub(crate) full: bool,
    /// Resources of names that nobody asked for.
    pub(crate) unasked: usize,
}

#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) name: String,
    pub(crate) held: Held,
    pub(crate) ttl: Option<Duration>,
}

/// One resource, its envelope opened.
struct Opened {
    name: String,
    version: Option<String>,
    /// Absent in a heartbeat.
    body: Option<Bytes>,
    ttl: Option<Duration>,
}

/// Why a resource could not be opened, and whose it is as far as can be told.
struct Fault {
    name: Option<String>,
    reason: String,
}

impl Fault {
    fn new(name: Option<String>, reason: impl Into<String>) -> Self {
        Self { name: name.filter(|name| !name.is_empty()), reason: reason.into() }
    }
}

/// A hash of the content of a response. The order of the resources does not count: some servers
/// keep them in hash maps.
pub(crate) fn content_hash(response: &Response) -> u64 {
    let sum = |parts: &[Bytes]| parts.iter().fold(0_u64, |sum, it| sum.wrapping_add(hash(it)));
    hash(&(sum(&response.resources), response.resources.len(), sum(&response.removed)))
}

fn hash(it: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}

/// Takes a response apart.
pub(crate) fn sift(
    response: &Response,
    subscription: &Subscription,
    variant: Variant,
    max_resource_bytes: usize,
) -> Sifted {
    let mut sifted = Sifted::default();
    // While the name of one resource is unknown, no absence can be believed: it may be its name.
    let mut all_names_known = true;
    let mut opened = Vec::with_capacity(response.resources.len());
    let mut times_named: HashMap<String, u32> = HashMap::new();

    for (i, raw) in response.resources.iter().enumerate() {
        let resource = match variant {
            Variant::Delta => open_wrapped(raw, subscription.type_url()),
            Variant::Sotw => open_any(raw, subscription.type_url()),
        };
        let resource = resource.and_then(|it| check_size(it, raw.len(), max_resource_bytes));
        let name = match &resource {
            Ok(it) => Some(&it.name),
            Err(fault) => fault.name.as_ref(),
        };
        match name {
            Some(name) if !subscription.wants(name) => {
                sifted.unasked += 1;
                continue;
            }
            // A faulty one counts as well: it must not be taken for absent, nor accepted twice.
            Some(name) => *times_named.entry(name.clone()).or_default() += 1,
            None => all_names_known = false,
        }
        match resource {
            Ok(it) => opened.push(it),
            Err(fault) => {
                let name = fault.name.unwrap_or_else(|| format!("#{i}"));
                sifted.rejections.push(Rejection { name, reason: fault.reason });
            }
        }
    }

    let removed = response.removed.iter().filter_map(|it| String::from_utf8(it.to_vec()).ok());
    let mut removed: HashSet<String> = removed.collect();
    let mut refused: HashSet<String> =
        sifted.rejections.iter().map(|rejection| rejection.name.clone()).collect();
    opened.retain(|it| {
        let reason = if times_named[&it.name] > 1 {
            "the name occurs more than once in the message"
        } else if removed.contains(&it.name) {
            "the name is both in resources and in removed_resources"
        } else {
            return true;
        };
        if refused.insert(it.name.clone()) {
            sifted.rejections.push(Rejection { name: it.name.clone(), reason: reason.into() });
        }
        false
    });
    removed.retain(|name| !times_named.contains_key(name));

    for resource in opened {
        settle(resource, response, subscription, &mut sifted);
    }

    let listed = removed.into_iter().filter(|name| subscription.concerns(name));
    sifted.full = subscription.absence_is_removal(variant) && all_names_known;
    sifted.removed = if sifted.full {
        let absent = |name: &&String| !times_named.contains_key(*name);
        let absent: HashSet<String> = subscription.held_names().filter(absent).cloned().collect();
        absent.into_iter().chain(listed).collect::<HashSet<_>>().into_iter().collect()
    } else {
        listed.collect()
    };
    sifted.removed.sort_unstable();
    sifted
}

/// Compares with what is held.
fn settle(resource: Opened, response: &Response, subscription: &Subscription, sifted: &mut Sifted) {
    let Opened { name, version, body, ttl } = resource;
    let version = version.unwrap_or_else(|| response.version.clone());
    let held = subscription.held(&name);
    let Some(body) = body else {
        match held {
            Some(held) if held.version == version => {
                let held = held.clone();
                sifted.accepted.push(Accepted { name, held, ttl });
            }
            Some(held) => {
                let reason = format!("heartbeat of version {version}, held is {}", held.version);
                sifted.rejections.push(Rejection { name, reason });
            }
            None => sifted.unasked += 1,
        }
        return;
    };
    let is = Held { version: version.clone(), hash: hash(&body), length: body.len() };
    if held.is_some_and(|held| (held.hash, held.length) == (is.hash, is.length)) {
        sifted.unchanged.push(name.clone());
    } else {
        sifted.changed.push(Resource { name: name.clone(), version, body });
    }
    sifted.accepted.push(Accepted { name, held: is, ttl });
}

/// Delta: name, version and time to live stand around the `Any`.
fn open_wrapped(raw: &Bytes, type_url: &TypeUrl) -> Result<Opened, Fault> {
    let wrapped = WrappedResource::decode(raw.clone()).map_err(|error| {
        Fault::new(string_field(raw, 3).value, format!("malformed Resource: {error}"))
    })?;
    let Ok(name) = String::from_utf8(wrapped.name.into()) else {
        return Err(Fault::new(None, "name: not UTF-8"));
    };
    if name.is_empty() {
        return Err(Fault::new(None, "name: empty"));
    }
    let Ok(version) = String::from_utf8(wrapped.version.into()) else {
        return Err(Fault::new(Some(name), "version: not UTF-8"));
    };
    let ttl = wrapped.ttl.and_then(duration);
    let body = match wrapped.resource {
        None => None,
        Some(any) => {
            let any = Any::decode(any).map_err(|error| {
                Fault::new(Some(name.clone()), format!("resource: malformed Any: {error}"))
            })?;
            check_type(&any, Some(&name), type_url)?;
            Some(any.value)
        }
    };
    let opened = Opened { name, version: Some(version), body, ttl };
    match (&opened.body, inner_name_field(type_url)) {
        (Some(body), Some(field)) => {
            check_body(body, &opened.name, field)?;
            Ok(opened)
        }
        _ => Ok(opened),
    }
}

/// State of the world: the resource alone, or wrapped as in delta.
fn open_any(raw: &Bytes, type_url: &TypeUrl) -> Result<Opened, Fault> {
    let any = Any::decode(raw.clone())
        .map_err(|error| Fault::new(None, format!("malformed Any: {error}")))?;
    if any.type_url == WRAPPER.as_bytes() {
        let opened = open_wrapped(&any.value, type_url)?;
        let version = opened.version.filter(|version| !version.is_empty());
        return Ok(Opened { version, ..opened });
    }
    check_type(&any, None, type_url)?;
    let field = inner_name_field(type_url).unwrap_or("name");
    let name = string_field(&any.value, 1);
    match name.value {
        Some(name) if name.is_empty() => Err(Fault::new(None, format!("{field}: empty"))),
        value if !name.intact => Err(Fault::new(value, "malformed message")),
        Some(name) => Ok(Opened { name, version: None, body: Some(any.value), ttl: None }),
        None => Err(Fault::new(None, format!("{field}: not UTF-8"))),
    }
}

fn check_type(any: &Any, name: Option<&String>, type_url: &TypeUrl) -> Result<(), Fault> {
    if any.type_url == type_url.as_str().as_bytes() {
        return Ok(());
    }
    let is = String::from_utf8_lossy(&any.type_url);
    let reason = format!("resource.type_url: {is:?} in a response of {:?}", type_url.as_str());
    Err(Fault::new(name.cloned(), reason))
}

/// A resource must call itself what its wrapper calls it, unless the wrapper has an `xdstp` name
/// (the resource may then have kept its old one).
fn check_body(body: &Bytes, name: &str, field: &str) -> Result<(), Fault> {
    let inner = string_field(body, 1);
    if !inner.intact {
        return Err(Fault::new(Some(name.into()), "malformed message"));
    }
    let inner = inner.value.unwrap_or_default();
    if inner == name || name.starts_with("xdstp:") {
        return Ok(());
    }
    Err(Fault::new(Some(name.into()), format!("{field}: is {inner:?}, not the resource's name")))
}

/// What the first field of the message is called, for types where it is the name.
fn inner_name_field(type_url: &TypeUrl) -> Option<&'static str> {
    let named = [TypeUrl::CLUSTER, TypeUrl::LISTENER, TypeUrl::ROUTES, TypeUrl::SECRET];
    if *type_url == TypeUrl::ENDPOINTS {
        Some("cluster_name")
    } else {
        named.contains(type_url).then_some("name")
    }
}

fn check_size(opened: Opened, length: usize, max: usize) -> Result<Opened, Fault> {
    if length <= max {
        return Ok(opened);
    }
    let reason = format!("{length} bytes, more than the {max} that a resource may have");
    Err(Fault::new(Some(opened.name), reason))
}

/// A time to live that is negative or out of range is none.
fn duration(ttl: Ttl) -> Option<Duration> {
    let nanos = u32::try_from(ttl.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(ttl.seconds).ok()?, nanos))
}
