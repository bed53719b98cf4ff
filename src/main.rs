//! Destrier, a sidecar dataplane agent. Wiring only: what is decided is decided in the crates.

mod args;

fn main() {
    let _ = args::Args::read(std::env::args_os());
}
