//! A backend of the demo as a program, for the compose file: `demo-backend [NAME [ADDRESS]]`.

use std::net::SocketAddr;
use std::process::ExitCode;

use destrier_testkit::Backend;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "backend".into());
    let address = words.next().unwrap_or_else(|| "0.0.0.0:8080".into());
    match serve(&name, &address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "demo-backend: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str, address: &str) -> std::io::Result<()> {
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let backend = Backend::start(name, address)?;
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        backend.shutdown().await;
        Ok(())
    })
}
