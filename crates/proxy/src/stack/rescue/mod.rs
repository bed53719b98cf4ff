//! Turns failures into answers: the only place that makes one from an error.

mod grpc;
mod layer;
mod refusal;
mod reply;
mod service;
mod wording;

pub(crate) use grpc::{AnswerForm, grpc_code};
pub(crate) use layer::RescueLayer;
pub(crate) use refusal::{ClientLeft, LocalReply, Refusal};
pub(crate) use reply::reply;
pub(crate) use service::Rescue;
pub(crate) use wording::want;
