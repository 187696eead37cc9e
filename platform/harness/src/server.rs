//! Services inside the test's process: a router on a free port, and a port where nothing answers.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// Any free port of the loopback.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A router that is being served; it stops when this is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a router on a free port.
///
/// # Panics
///
/// When no port can be bound.
pub async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind(FREE).await.unwrap_or_else(|error| panic!("no port could be bound: {error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("a bound port has no address: {error}"));
    let task = tokio::spawn(async move {
        // It only ends by being aborted: the accept loop of axum handles its errors itself.
        axum::serve(listener, router).await.unwrap_or_default();
    });
    Served { address, task }
}

/// A port that is taken and where connections are refused, for as long as this lives.
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl ClosedPort {
    /// Takes a free port without listening on it.
    ///
    /// # Panics
    ///
    /// When no port can be bound.
    pub fn take() -> Self {
        let bound = TcpSocket::new_v4().and_then(|socket| socket.bind(FREE).map(|()| socket));
        let bound = bound.unwrap_or_else(|error| panic!("no port could be bound: {error}"));
        let address = bound.local_addr().unwrap_or_else(|error| panic!("a bound port has no address: {error}"));
        Self { address, _bound: bound }
    }

    /// The base URL of the service that isn't there.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
