//! What translation has to say about a resource: its faults, and its fields that are not in force.

use std::fmt::Display;

use destrier_policy::{FieldNote, FieldStanding};

use crate::Rejection;
use crate::path::FieldPath;

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

    /// The field is set, and is not in force.
    pub(crate) fn note(&mut self, field: &FieldPath<'_>, standing: FieldStanding) {
        self.notes.push(FieldNote { field: field.to_string().into(), standing });
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
