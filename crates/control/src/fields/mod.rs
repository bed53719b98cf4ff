//! Where each field of Envoy's messages stands: one table per message, one row per field.
//!
//! A table is written with `tables!`, which makes three things of it: the rows (for `docs/fields.md`),
//! a walk over the fields that a message sets (for the notes of the admin port, and to refuse what must
//! not be ignored), and a destructuring without `..`, so that a field in no row does not compile.

mod access_log;
mod bootstrap;
mod cluster;
mod endpoints;
mod http;
mod lb;
mod listener;
mod route;
mod tls;

use destrier_policy::FieldStanding;

use crate::path::FieldPath;
use crate::report::Report;

/// What becomes of a field when a resource sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does what Envoy's documentation says.
    InForce,
    /// Translated and checked; a later part enforces it. Named on the admin port.
    Later,
    /// Ignored without harm: telemetry and the like. Named on the admin port.
    Tolerated,
    /// A name for people, of no effect in Envoy either: not worth a word on the admin port.
    Label,
    /// Ignoring it would do something else than was asked: the resource is refused.
    Refused,
}

/// One field of one message.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the proto.
    pub field: &'static str,
    /// Where it stands.
    pub standing: Standing,
    /// Whether the message within has a table of its own, which is walked as well.
    pub nested: bool,
    /// Why, or with which limits; may be empty.
    pub note: &'static str,
}

/// All fields of one message.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Full name of the message.
    pub message: fn() -> String,
    /// Every field once.
    pub rows: &'static [Row],
}

/// The tables of all messages that are read, by subject.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static [Table])> {
    [
        ("Bootstrap", bootstrap::TABLES),
        ("Clusters", cluster::TABLES),
        ("Load balancing extensions", lb::TABLES),
        ("HTTP options", http::TABLES),
        ("Endpoints", endpoints::TABLES),
        ("Listeners", listener::TABLES),
        ("Routes", route::TABLES),
        ("Access logs", access_log::TABLES),
        ("TLS to a control plane", tls::TABLES),
    ]
    .into_iter()
}

/// A message with a table.
pub(crate) trait Surveyed {
    /// Every field once.
    const ROWS: &'static [Row];

    /// Notes and refuses what is set here and below. `outer` is the standing of the field that holds this
    /// message: what is within a field of a later part is not named once more.
    fn survey(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>);
}

/// A message that a `oneof` keeps in a box, since it may hold itself.
impl<M: Surveyed> Surveyed for Box<M> {
    const ROWS: &'static [Row] = M::ROWS;

    fn survey(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>) {
        (**self).survey(outer, path, report);
    }
}

impl Row {
    /// Says of a field that is set what there is to say.
    fn apply(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>) {
        let standing = match self.standing {
            Standing::Refused => {
                let reason = if self.note.is_empty() { "not supported" } else { self.note };
                return report.refuse(path, reason);
            }
            Standing::InForce | Standing::Label => return,
            Standing::Later => FieldStanding::Later,
            Standing::Tolerated => FieldStanding::Tolerated,
        };
        if outer != self.standing {
            report.note(path, standing);
        }
    }
}

/// Whether a field differs from its default, which is how proto3 says that it is set.
fn is_set<T: Default + PartialEq>(field: &T) -> bool {
    *field != T::default()
}

/// The name of a field in the proto: `r#type` is `type`.
const fn proto_name(field: &'static str) -> &'static str {
    if let [b'r', b'#', rest @ ..] = field.as_bytes()
        && let Ok(name) = std::str::from_utf8(rest)
    {
        return name;
    }
    field
}

/// What may hold messages with tables: a field of such a type is marked `nested`.
trait Holds {
    fn survey_within(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>);
}

impl<M: Surveyed> Holds for Option<M> {
    fn survey_within(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>) {
        if let Some(message) = self {
            message.survey(outer, path, report);
        }
    }
}

impl<M: Surveyed> Holds for Vec<M> {
    fn survey_within(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>) {
        for (index, message) in self.iter().enumerate() {
            message.survey(outer, &path.index(index), report);
        }
    }
}

/// The message of a `oneof`.
impl<M: Surveyed> Holds for M {
    fn survey_within(&self, outer: Standing, path: &FieldPath<'_>, report: &mut Report<'_>) {
        self.survey(outer, path, report);
    }
}

/// Tables of messages, as:
///
/// ```text
/// tables! {
///     message Cluster {
///         name: InForce,
///         outlier_detection: Later nested "comes with ejection",
///     }
///     oneof lb_config: LbConfig {                  // a field of the Rust struct, several of the proto
///         RingHashLbConfig "ring_hash_lb_config": Later nested,
///     }
/// }
/// ```
macro_rules! tables {
    ($(
        message $message:ty {
            $($field:ident: $standing:ident $($nested:ident)? $($note:literal)?,)*
        }
        $(oneof $oneof:ident: $kind:ty {
            $($variant:ident $name:literal: $one_standing:ident $($one_nested:ident)? $($one_note:literal)?,)*
        })*
    )*) => {
        /// The tables of this file.
        pub(super) const TABLES: &[$crate::fields::Table] = &[$(
            $crate::fields::Table {
                message: <$message as prost::Name>::full_name,
                rows: <$message as $crate::fields::Surveyed>::ROWS,
            },
        )*];

        $(
            #[allow(deprecated, reason = "a deprecated field has its row as well")]
            #[allow(unused_variables, reason = "a message may be without fields")]
            impl $crate::fields::Surveyed for $message {
                const ROWS: &'static [$crate::fields::Row] = &[
                    $(row!($crate::fields::proto_name(stringify!($field)), $standing $($nested)? $($note)?),)*
                    $($(row!($name, $one_standing $($one_nested)? $($one_note)?),)*)*
                ];

                fn survey(
                    &self,
                    outer: $crate::fields::Standing,
                    path: &$crate::path::FieldPath<'_>,
                    report: &mut $crate::report::Report<'_>,
                ) {
                    let Self { $($field,)* $($oneof,)* } = self;
                    $(if $crate::fields::is_set($field) {
                        const ROW: $crate::fields::Row = row!(
                            $crate::fields::proto_name(stringify!($field)),
                            $standing $($nested)? $($note)?
                        );
                        let path = path.field(ROW.field);
                        ROW.apply(outer, &path, report);
                        $(within!($nested $field, ROW, &path, report);)?
                    })*
                    $({
                        type OneOf = $kind;
                        match $oneof {
                            None => {}
                            $(Some(OneOf::$variant(inner)) => {
                                const ROW: $crate::fields::Row =
                                    row!($name, $one_standing $($one_nested)? $($one_note)?);
                                let path = path.field(ROW.field);
                                ROW.apply(outer, &path, report);
                                $(within!($one_nested inner, ROW, &path, report);)?
                            })*
                        }
                    })*
                }
            }
        )*
    };
}

/// One row.
macro_rules! row {
    ($field:expr, $standing:ident) => { row!(@ $field, $standing, false, "") };
    ($field:expr, $standing:ident nested) => { row!(@ $field, $standing, true, "") };
    ($field:expr, $standing:ident $note:literal) => { row!(@ $field, $standing, false, $note) };
    ($field:expr, $standing:ident nested $note:literal) => { row!(@ $field, $standing, true, $note) };
    (@ $field:expr, $standing:ident, $nested:literal, $note:literal) => {
        $crate::fields::Row {
            field: $field,
            standing: $crate::fields::Standing::$standing,
            nested: $nested,
            note: $note,
        }
    };
}

/// The walk into a field that holds messages with tables.
macro_rules! within {
    (nested $field:ident, $row:ident, $path:expr, $report:ident) => {
        $crate::fields::Holds::survey_within($field, $row.standing, $path, $report)
    };
}

use {row, tables, within};
