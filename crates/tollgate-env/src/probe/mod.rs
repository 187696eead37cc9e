//! Probes: one question to a service over its own protocol, and a short answer.
//!
//! An open port proves nothing, since the proxy of a container engine accepts connections before anybody serves them.
//! So each probe speaks far enough that only the server itself can have answered.

mod amqp;
mod http;
mod mysql;
mod nats;
mod postgres;
mod redis;
mod tcp;

use crate::{Protocol, Ready};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tollgate_model::EngineKind;

/// How long a connection may take to come about; services are on this machine.
const CONNECT: Duration = Duration::from_millis(100);
/// How long an answer may take. A server that is still starting answers late, and is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// What a probe saw: readiness, or what came instead.
pub(crate) type Answer = Result<(), String>;

/// What the probe of a service needs from its engine.
pub(crate) trait Ask {
    /// Host address of a container port of the service.
    fn endpoint(&self, port: u16) -> Option<SocketAddr>;
    /// Exit code of a command in the service's environment.
    fn exec(&self, argv: &[String], timeout: Duration) -> Result<i32, String>;
}

/// Asks once. `Ready::Exit` is not asked here: the engine knows when a service ended.
pub(crate) fn ask(ready: &Ready, service: &dyn Ask) -> Answer {
    match ready {
        Ready::Http { path, port } => http::ask(&mut connect(service, *port)?, path),
        Ready::Tcp { port } => tcp::ask(&mut connect(service, *port)?),
        Ready::Postgres { port, user, database } => postgres::ask(&mut connect(service, *port)?, user, database),
        Ready::Speaks { protocol, port } => speaks(*protocol, &mut connect(service, *port)?),
        Ready::Command { argv, timeout } => match service.exec(argv, *timeout)? {
            0 => Ok(()),
            code => Err(format!("`{}` exited with {code}", argv.join(" "))),
        },
        Ready::Exit { .. } => Err("still running".to_owned()),
        Ready::Running => Ok(()),
    }
}

fn speaks(protocol: Protocol, stream: &mut (impl Read + Write)) -> Answer {
    match protocol {
        Protocol::Redis => redis::ask(stream),
        Protocol::Nats => nats::ask(stream),
        Protocol::Amqp => amqp::ask(stream),
        Protocol::MySql => mysql::ask(stream),
        Protocol::AnyHttp => http::ask_any(stream),
    }
}

/// How often in a row a probe must succeed. A PostgreSQL image restarts its server after it was set up; without a container
/// it is set up already.
pub(crate) fn needed(ready: &Ready, engine: EngineKind) -> u32 {
    if engine == EngineKind::Compose && matches!(ready, Ready::Postgres { .. }) { 2 } else { 1 }
}

/// How long to wait before the next question, after this many, the last so many of which were answered well.
pub(crate) fn pause(asked: u32, well: u32) -> Duration {
    Duration::from_millis(match asked {
        _ if well > 0 => 5,
        0..=4 => 5,
        5..=39 => 20,
        40..=99 => 50,
        _ => 150,
    })
}

fn connect(service: &dyn Ask, port: u16) -> Result<TcpStream, String> {
    let address = service.endpoint(port).ok_or_else(|| format!("port {port} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, CONNECT).map_err(|error| format!("{address}: {error}"))?;
    let prepared = stream.set_read_timeout(Some(ANSWER)).and_then(|()| stream.set_write_timeout(Some(ANSWER)));
    prepared.map_err(|error| format!("{address}: {error}"))?;
    Ok(stream)
}

/// What an I/O error of a probe means.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            "accepts connections, and does not answer".to_owned()
        }
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
            "closes connections at once".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use std::io::Cursor;

    /// A peer that says this, whatever it is asked.
    struct Peer(Cursor<Vec<u8>>);

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn check(ask: impl Fn(&mut Peer) -> Answer, cases: &[(&[u8], Result<(), &str>)]) {
        for (says, expect) in cases {
            let answer = ask(&mut Peer(Cursor::new(says.to_vec())));
            assert_eq!(answer.as_ref().copied().map_err(String::as_str), *expect, "{}", String::from_utf8_lossy(says));
        }
    }

    const CLOSES: Result<(), &str> = Err("closes connections at once");

    #[test]
    fn http_is_ready_with_200_and_tells_the_first_line_of_anything_else() {
        check(
            |peer| http::ask(peer, "/ready"),
            &[
                (b"HTTP/1.1 200 OK\r\n\r\nfine", Ok(())),
                (
                    b"HTTP/1.1 503 Busy\r\nA: b\r\n\r\nno database\nmore",
                    Err("GET /ready: HTTP/1.1 503 Busy (no database)"),
                ),
                (b"HTTP/1.0 404 No\r\n\r\n", Err("GET /ready: HTTP/1.0 404 No")),
                (b"220 smtp.example ready", Err("does not speak HTTP")),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn postgres_is_ready_when_it_asks_for_authentication() {
        let starting = b"E\0\0\0\x34SFATAL\0C57P03\0Mthe database system is starting\0\0\0";
        check(
            |peer| postgres::ask(peer, "u", "d"),
            &[
                (b"R\0\0\0\x08\0\0\0\0", Ok(())),
                (starting, Err("the database system is starting (SQLSTATE 57P03)")),
                (b"HTTP/1.1 400", Err("does not speak PostgreSQL's protocol")),
                (b"E\xff\xff\xff\xff", Err("does not speak PostgreSQL's protocol")),
                (b"R", CLOSES),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn redis_is_ready_when_it_pongs_or_asks_for_a_password() {
        check(
            redis::ask,
            &[
                (b"+PONG\r\n", Ok(())),
                (b"-NOAUTH Authentication required.\r\n", Ok(())),
                (b"-LOADING Redis is loading\r\n", Err("answers -LOADING Redis is loading")),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn any_http_status_will_do_for_a_proxy() {
        check(
            http::ask_any,
            &[
                (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Ok(())),
                (b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port", Ok(())),
                (b"HTTP/1.1\r\n", Err("does not speak HTTP")),
                (b"SSH-2.0 200", Err("does not speak HTTP")),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn nats_is_ready_when_it_introduces_itself() {
        check(
            nats::ask,
            &[
                (b"INFO {\"server_id\":\"N\"} \r\n", Ok(())),
                (b"-ERR 'maximum connections exceeded'\r\n", Err("does not speak NATS: -ERR ")),
                (b"INF", CLOSES),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn amqp_is_ready_when_it_starts_a_connection() {
        // A method frame of channel 0 whose class 10 and method 10 are `connection.start`.
        let start = b"\x01\0\0\0\0\x01\xf5\0\x0a\0\x0a\0\x09";
        check(
            amqp::ask,
            &[
                (start, Ok(())),
                (b"AMQP\0\x01\0\0", Err("speaks AMQP 1.0.0, and not 0-9-1 as asked")),
                (b"HTTP/1.1 400", Err("does not speak AMQP 0-9-1")),
                (b"\x01\0\0", CLOSES),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn mariadb_is_ready_when_it_greets_and_not_when_it_refuses() {
        check(
            mysql::ask,
            &[
                (b"\x59\0\0\0\x0a5.5.5-10.11.19-MariaDB\0", Ok(())),
                (b"\x17\0\0\0\xff\x10\x04Too many connections", Err("refuses: Too many connections (error 1040)")),
                (
                    b"\x1d\0\0\0\xff\x10\x04#08004Too many connections",
                    Err("refuses: Too many connections (error 1040)"),
                ),
                (b"HTTP/1.1 400", Err("does not speak the protocol of MariaDB")),
                (b"\x01\0\0", CLOSES),
                (b"", CLOSES),
            ],
        );
    }

    #[test]
    fn questions_come_fast_at_first_and_never_too_often() {
        let pauses: Vec<u128> = [0, 4, 5, 39, 40, 100, 9999].map(|asked| pause(asked, 0).as_millis()).into();
        assert_eq!(pauses, [5, 5, 20, 20, 50, 150, 150]);
        assert_eq!(pause(9999, 1).as_millis(), 5, "the second answer follows the first");
        let postgres = Ready::Postgres { port: 1, user: String::new(), database: String::new() };
        let needed = |ready| (needed(ready, EngineKind::Compose), needed(ready, EngineKind::Native));
        assert_eq!((needed(&postgres), needed(&Ready::Running)), ((2, 1), (1, 1)));
    }
}
