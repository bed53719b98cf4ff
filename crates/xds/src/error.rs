use tonic::Code;

/// Why a stream, or the attempt at one, ended. None is fatal: all of them lead to another attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The server ended the stream without an error.
    #[error("the control plane ended the stream")]
    Ended,
    /// The server, or the transport below it, ended the stream with a status.
    #[error("status {code:?}: {message}")]
    Status {
        /// The gRPC status code.
        code: Code,
        /// The text that came with it.
        message: String,
    },
    /// A message is not the protobuf that it should be.
    #[error("malformed message: {0}")]
    Malformed(String),
}
