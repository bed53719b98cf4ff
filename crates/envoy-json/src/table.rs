//! The descriptors: rows of integers that the build script writes, and the face over them.
//!
//! The rows hold no pointers, so they stay in the read-only part of the binary and are paged in as
//! they are looked at.

include!(concat!(env!("OUT_DIR"), "/descriptors.rs"));

/// A piece of [`NAMES`].
#[derive(Clone, Copy)]
struct Name {
    start: u32,
    length: u8,
}

impl Name {
    fn text(self) -> &'static str {
        let start = self.start as usize;
        &NAMES[start..start + usize::from(self.length)]
    }
}

struct MessageRow {
    name: Name,
    first_field: u16,
    fields: u16,
    is_map_entry: bool,
}

struct FieldRow {
    name: Name,
    json_name: Name,
    number: u32,
    /// The numbers of `FieldDescriptorProto.Type`.
    kind: u8,
    /// The message or enum, for a kind that has one.
    target: u16,
    flags: u8,
    /// 255 outside of any.
    oneof: u8,
}

struct EnumRow {
    name: Name,
    first_value: u16,
    values: u16,
}

struct ValueRow {
    name: Name,
    number: i32,
}

const fn message(start: u32, length: u8, first_field: u16, fields: u16, map: bool) -> MessageRow {
    MessageRow { name: Name { start, length }, first_field, fields, is_map_entry: map }
}

#[expect(clippy::too_many_arguments, reason = "one per column, called by generated code only")]
const fn field(
    start: u32,
    length: u8,
    json_start: u32,
    json_length: u8,
    number: u32,
    kind: u8,
    target: u16,
    flags: u8,
    oneof: u8,
) -> FieldRow {
    FieldRow {
        name: Name { start, length },
        json_name: Name { start: json_start, length: json_length },
        number,
        kind,
        target,
        flags,
        oneof,
    }
}

const fn enumeration(start: u32, length: u8, first_value: u16, values: u16) -> EnumRow {
    EnumRow { name: Name { start, length }, first_value, values }
}

const fn value(start: u32, length: u8, number: i32) -> ValueRow {
    ValueRow { name: Name { start, length }, number }
}

/// A message type.
#[derive(Clone, Copy)]
pub(crate) struct Message(&'static MessageRow);

/// A field of a message type.
#[derive(Clone, Copy)]
pub(crate) struct Field(&'static FieldRow);

/// An enum type.
#[derive(Clone, Copy)]
pub(crate) struct Enum(&'static EnumRow);

/// What a field holds, or each element of it.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    Message(Message),
    Enum(Enum),
}

impl Message {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let found = MESSAGES.binary_search_by(|row| row.name.text().cmp(name));
        found.ok().map(|index| Self(&MESSAGES[index]))
    }

    pub(crate) fn full_name(self) -> &'static str {
        self.0.name.text()
    }

    /// In the order of their numbers.
    pub(crate) fn fields(self) -> impl Iterator<Item = Field> {
        let first = usize::from(self.0.first_field);
        FIELDS[first..first + usize::from(self.0.fields)].iter().map(Field)
    }

    /// By either of its names.
    pub(crate) fn field(self, name: &str) -> Option<Field> {
        self.fields().find(|field| field.name() == name || field.0.json_name.text() == name)
    }

    pub(crate) fn field_by_number(self, number: u32) -> Option<Field> {
        self.fields().find(|field| field.number() == number)
    }
}

impl Field {
    pub(crate) fn name(self) -> &'static str {
        self.0.name.text()
    }

    pub(crate) fn number(self) -> u32 {
        self.0.number
    }

    pub(crate) fn kind(self) -> Kind {
        let target = usize::from(self.0.target);
        match self.0.kind {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => Kind::Enum(Enum(&ENUMS[target])),
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            _ => Kind::Message(Message(&MESSAGES[target])),
        }
    }

    /// A list or a map.
    pub(crate) fn is_repeated(self) -> bool {
        self.0.flags & 1 != 0
    }

    pub(crate) fn is_packed(self) -> bool {
        self.0.flags & 2 != 0
    }

    /// False for a field whose default is the same as not being set.
    pub(crate) fn has_presence(self) -> bool {
        self.0.flags & 4 != 0
    }

    /// The message of the entries, for a map: its field 1 is the key, field 2 the value.
    pub(crate) fn map_entry(self) -> Option<Message> {
        match self.kind() {
            Kind::Message(entry) if entry.0.is_map_entry => Some(entry),
            _ => None,
        }
    }

    /// True for two fields of which one excludes the other.
    pub(crate) fn excludes(self, other: Self) -> bool {
        self.0.oneof == other.0.oneof && self.0.oneof != u8::MAX && self.number() != other.number()
    }
}

impl Enum {
    pub(crate) fn full_name(self) -> &'static str {
        self.0.name.text()
    }

    /// The last part of the full name.
    pub(crate) fn name(self) -> &'static str {
        self.full_name().rsplit('.').next().unwrap_or_default()
    }

    pub(crate) fn values(self) -> impl Iterator<Item = (&'static str, i32)> {
        let first = usize::from(self.0.first_value);
        let rows = &VALUES[first..first + usize::from(self.0.values)];
        rows.iter().map(|row| (row.name.text(), row.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_complete() {
        assert!(MESSAGES.is_sorted_by_key(|row| row.name.text()));
        for row in &MESSAGES {
            let message = Message(row);
            assert!(Message::by_name(message.full_name()).is_some());
            assert!(message.fields().map(Field::number).is_sorted());
            if row.is_map_entry {
                assert_eq!(message.fields().map(Field::name).collect::<Vec<_>>(), ["key", "value"]);
            }
        }
        let cluster = Message::by_name("envoy.config.cluster.v3.Cluster").expect("it is a root");
        let timeout = cluster.field("connectTimeout").expect("it has one");
        assert_eq!((timeout.name(), timeout.number()), ("connect_timeout", 4));
        assert!(matches!(timeout.kind(), Kind::Message(kind)
            if kind.full_name() == "google.protobuf.Duration"));
        let config = cluster.field("cluster_type").expect("it has one");
        assert!(config.excludes(cluster.field("type").expect("it has one")));
        assert!(!config.excludes(timeout));
    }
}
