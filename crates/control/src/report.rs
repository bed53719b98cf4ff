//! What translation has to say about a resource: its faults, and its fields that are not in force; and
//! the reading of a message while saying it.

use std::fmt::Display;

use destrier_policy::{FieldNote, FieldStanding};

use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto::Fault;

/// Collects all there is to say about one resource.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    resource: &'a str,
    rejections: Vec<Rejection>,
    notes: Vec<FieldNote>,
}

impl<'a> Report<'a> {
    /// Nothing to say yet.
    pub(crate) fn new(resource: &'a str) -> Self {
        Self { resource, rejections: Vec::new(), notes: Vec::new() }
    }

    /// The resource cannot be used, because of this field. Translation goes on to find other faults.
    pub(crate) fn refuse(&mut self, field: &FieldPath<'_>, reason: impl Display) {
        self.rejections.push(Rejection {
            resource: self.resource.to_owned(),
            field_path: field.to_string(),
            reason: reason.to_string(),
        });
    }

    /// The value, or its fault noted as one of `field`.
    pub(crate) fn check<T>(
        &mut self,
        field: &FieldPath<'_>,
        result: Result<T, impl Display>,
    ) -> Option<T> {
        result.map_err(|reason| self.refuse(field, reason)).ok()
    }

    /// The field is set, and is not in force. Said once for all elements of a list.
    pub(crate) fn note(&mut self, field: &FieldPath<'_>, standing: FieldStanding) {
        let field = format!("{field:#}");
        if self.notes.iter().all(|note| *note.field != *field) {
            self.notes.push(FieldNote { field: field.into(), standing });
        }
    }

    /// The notes so far, which belong into the policy.
    pub(crate) fn take_notes(&mut self) -> Box<[FieldNote]> {
        std::mem::take(&mut self.notes).into()
    }

    /// `value`, if the resource has no fault.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Vec<Rejection>> {
        if self.rejections.is_empty() { Ok(value) } else { Err(self.rejections) }
    }
}

/// Reads the fields of one message. A field with a fault is read as if it were absent, so that reading
/// goes on and finds the others.
#[derive(Debug)]
pub(crate) struct Reader<'a, 'r> {
    path: FieldPath<'a>,
    report: &'a mut Report<'r>,
}

impl<'r> Reader<'_, 'r> {
    /// Reads the resource itself.
    pub(crate) fn root<'a>(report: &'a mut Report<'r>) -> Reader<'a, 'r> {
        Reader { path: FieldPath::ROOT, report }
    }

    /// Reads the message at a path.
    pub(crate) fn at<'a>(path: FieldPath<'a>, report: &'a mut Report<'r>) -> Reader<'a, 'r> {
        Reader { path, report }
    }

    /// Reads a field's message.
    pub(crate) fn field<'s>(&'s mut self, name: &'s str) -> Reader<'s, 'r> {
        Reader { path: self.path.field(name), report: self.report }
    }

    /// Reads an element of the list that is read.
    pub(crate) fn index(&mut self, index: usize) -> Reader<'_, 'r> {
        Reader { path: self.path.index(index), report: self.report }
    }

    /// Reads a value of the map that is read.
    pub(crate) fn key<'s>(&'s mut self, key: &'s str) -> Reader<'s, 'r> {
        Reader { path: self.path.key(key), report: self.report }
    }

    /// A field's value, if it is set and has no fault.
    pub(crate) fn read<V, T>(
        &mut self,
        field: &str,
        value: Option<V>,
        read: impl FnOnce(V) -> Result<T, Fault>,
    ) -> Option<T> {
        let result = read(value?);
        self.report.check(&self.path.field(field), result)
    }

    /// The value of what is read here, if it has no fault.
    pub(crate) fn check<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        self.report.check(&self.path, result)
    }

    /// What is read here is at fault.
    pub(crate) fn refuse(&mut self, reason: impl Display) {
        self.report.refuse(&self.path, reason);
    }

    /// What is read here is set, and is not in force.
    pub(crate) fn note(&mut self, standing: FieldStanding) {
        self.report.note(&self.path, standing);
    }

    /// Lets `read` look at what is read here.
    pub(crate) fn with<T>(&mut self, read: impl FnOnce(&FieldPath<'_>, &mut Report<'r>) -> T) -> T {
        read(&self.path, self.report)
    }

    /// Says of each field of `message`, which came apart from the resource's own fields, where it stands.
    pub(crate) fn survey(&mut self, message: &impl Surveyed, outer: Standing) {
        message.survey(outer, &self.path, self.report);
    }
}
