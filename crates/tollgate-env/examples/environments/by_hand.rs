//! The baseline of the native engine: the same servers on a copy of the same data directory, started by hand.

use crate::Failure;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tollgate_exec::{Signal, signal_group};

/// How long two servers may take.
const LIMIT: Duration = Duration::from_mins(1);

/// What the servers are made from.
pub(crate) struct Kit {
    /// Program of PostgreSQL.
    pub(crate) postgres: Utf8PathBuf,
    /// Program of Redis.
    pub(crate) redis: Utf8PathBuf,
    /// A prepared data directory.
    pub(crate) template: Utf8PathBuf,
}

/// A PostgreSQL and a Redis server.
pub(crate) struct Pair {
    directory: Utf8PathBuf,
    servers: [Child; 2],
}

impl Kit {
    /// Starts both in a directory in memory and returns when both answer.
    pub(crate) fn start(&self, name: &str) -> Result<Pair, Failure> {
        let directory = Utf8PathBuf::from(format!("/dev/shm/tollgate-bench-{}-{name}", std::process::id()));
        fs::create_dir(&directory)?;
        let data = directory.join("data");
        let copied = Command::new("cp").args(["-a", self.template.as_str(), data.as_str()]).status()?;
        let [postgres_port, redis_port] = [free_port()?, free_port()?];
        let owner = fs::metadata(&data)?;
        let mut postgres = Command::new(&self.postgres);
        postgres.args(["-D", data.as_str(), "-p", &postgres_port.to_string(), "-c", "unix_socket_directories="]);
        for setting in
            ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "dynamic_shared_memory_type=mmap"]
        {
            postgres.args(["-c", setting]);
        }
        // What this process creates belongs to root.
        if fs::metadata(&directory)?.uid() == 0 {
            postgres.gid(owner.gid()).uid(owner.uid());
        }
        let mut redis = Command::new(&self.redis);
        redis.args([
            "--port",
            &redis_port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            directory.as_str(),
        ]);
        let pair = Pair { directory, servers: [spawn(&mut postgres)?, spawn(&mut redis)?] };
        let from = Instant::now();
        while !(copied.success() && postgres_is_ready(&data) && redis_is_ready(redis_port)) {
            if from.elapsed() > LIMIT {
                return Err("servers that were started by hand did not come up".into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for (server, signal) in self.servers.iter_mut().zip([Signal::INT, Signal::TERM]) {
            signal_group(server.id(), signal);
            drop(server.wait());
        }
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// A port below those that the kernel gives away, which no other pair of this process gets.
fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(21000);
    let mut ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take(1000);
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).ok_or_else(|| "no port is free".into())
}

/// The server writes into its data directory that it takes connections.
fn postgres_is_ready(data: &Utf8Path) -> bool {
    let status = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

fn redis_is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| &answer == b"+PONG")
}
