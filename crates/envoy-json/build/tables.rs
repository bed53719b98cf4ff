//! Descriptors as Rust source.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

/// Messages and enums by full name, so that the rows come sorted.
#[derive(Default)]
struct Types<'a> {
    messages: BTreeMap<String, (&'a DescriptorProto, Syntax)>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
}

#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    Proto2,
    Proto3,
}

/// The rows that `src/table.rs` describes.
pub(crate) fn generate(files: &[FileDescriptorProto]) -> String {
    let mut types = Types::default();
    for file in files {
        let syntax = if file.syntax() == "proto3" { Syntax::Proto3 } else { Syntax::Proto2 };
        for message in &file.message_type {
            types.add_message(file.package(), message, syntax);
        }
        for kind in &file.enum_type {
            types.enums.insert(format!("{}.{}", file.package(), kind.name()), kind);
        }
    }
    let index_of = |names: Vec<&String>| -> HashMap<String, usize> {
        names.into_iter().enumerate().map(|(index, name)| (name.clone(), index)).collect()
    };
    let message_index = index_of(types.messages.keys().collect());
    let enum_index = index_of(types.enums.keys().collect());

    let mut names = Names::default();
    let mut rows = Rows::default();
    for (name, (message, syntax)) in &types.messages {
        let mut fields: Vec<_> = message.field.iter().collect();
        fields.sort_by_key(|field| field.number());
        let map = message.options.as_ref().is_some_and(|options| options.map_entry());
        rows.messages.push(format!(
            "message({}, {}, {}, {map})",
            names.add(name),
            rows.fields.len(),
            fields.len()
        ));
        for field in fields {
            let target = field.type_name().trim_start_matches('.');
            let target = match field.r#type() {
                Type::Message => message_index[target],
                Type::Enum => enum_index[target],
                Type::Group => panic!("{name} has a group, which no JSON needs"),
                _ => 0,
            };
            rows.fields.push(format!(
                "field({}, {}, {}, {}, {target}, {}, {})",
                names.add(field.name()),
                names.add(field.json_name()),
                field.number(),
                field.r#type() as i32,
                flags(field, *syntax),
                field.oneof_index.map_or(255, |index| index),
            ));
        }
    }
    for (name, kind) in &types.enums {
        rows.enums.push(format!(
            "enumeration({}, {}, {})",
            names.add(name),
            rows.values.len(),
            kind.value.len()
        ));
        for value in &kind.value {
            rows.values.push(format!("value({}, {})", names.add(value.name()), value.number()));
        }
    }
    rows.write(&names.text)
}

impl<'a> Types<'a> {
    fn add_message(&mut self, parent: &str, message: &'a DescriptorProto, syntax: Syntax) {
        let name = format!("{parent}.{}", message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested, syntax);
        }
        for kind in &message.enum_type {
            self.enums.insert(format!("{name}.{}", kind.name()), kind);
        }
        self.messages.insert(name, (message, syntax));
    }
}

/// Bit 0: repeated. Bit 1: packed. Bit 2: set and unset differ.
fn flags(field: &FieldDescriptorProto, syntax: Syntax) -> u8 {
    let repeated = field.label() == Label::Repeated;
    let packable = !matches!(field.r#type(), Type::Message | Type::String | Type::Bytes);
    let packed = field.options.as_ref().and_then(|options| options.packed);
    let packed = repeated && packable && packed.unwrap_or(syntax == Syntax::Proto3);
    let presence = !repeated
        && (syntax == Syntax::Proto2
            || field.r#type() == Type::Message
            || field.oneof_index.is_some());
    u8::from(repeated) | u8::from(packed) << 1 | u8::from(presence) << 2
}

/// All names in one string; a field name that many messages have stands there once.
#[derive(Default)]
struct Names {
    text: String,
    places: HashMap<String, usize>,
}

impl Names {
    /// `start, length`
    fn add(&mut self, name: &str) -> String {
        let start = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.text.push_str(name);
            self.text.len() - name.len()
        });
        format!("{start}, {}", name.len())
    }
}

#[derive(Default)]
struct Rows {
    messages: Vec<String>,
    fields: Vec<String>,
    enums: Vec<String>,
    values: Vec<String>,
}

impl Rows {
    fn write(&self, names: &str) -> String {
        let mut source = format!("static NAMES: &str = {names:?};\n");
        for (name, kind, rows) in [
            ("MESSAGES", "MessageRow", &self.messages),
            ("FIELDS", "FieldRow", &self.fields),
            ("ENUMS", "EnumRow", &self.enums),
            ("VALUES", "ValueRow", &self.values),
        ] {
            writeln!(source, "static {name}: [{kind}; {}] = [", rows.len())
                .expect("a String takes all that is written");
            for row in rows {
                source.push_str(row);
                source.push_str(",\n");
            }
            source.push_str("];\n");
        }
        source
    }
}
