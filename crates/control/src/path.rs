//! The way to a field, kept on the stack until somebody has to be told.

use std::fmt;

/// A field within a resource. Costs nothing until it is displayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldPath<'a> {
    parent: Option<&'a FieldPath<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> FieldPath<'a> {
    /// The resource itself.
    pub(crate) const ROOT: FieldPath<'static> = FieldPath { parent: None, step: Step::Root };

    /// A field of the message at this path.
    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Field(name) }
    }

    /// An element of the list at this path.
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// A value of the map at this path.
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    fn is_root(&self) -> bool {
        matches!(self.step, Step::Root)
    }
}

/// The alternate form leaves out which element of a list it is: `filters[].name`.
impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => {
                let dot =
                    if self.parent.is_some_and(|parent| !parent.is_root()) { "." } else { "" };
                write!(f, "{dot}{name}")
            }
            Step::Index(_) if f.alternate() => f.write_str("[]"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_the_proto_writes_it() {
        let filters = FieldPath::ROOT.field("filters");
        let second = filters.index(1);
        assert_eq!(second.field("typed_config").to_string(), "filters[1].typed_config");
        assert_eq!(format!("{:#}", second.field("name")), "filters[].name");
        let options = FieldPath::ROOT.field("typed_extension_protocol_options");
        assert_eq!(options.key("a.b").to_string(), "typed_extension_protocol_options[a.b]");
        assert_eq!(FieldPath::ROOT.to_string(), "");
    }
}
