//! TCP, where nothing better is known: the connection is accepted and stays open, or the server greets.

use super::Answer;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

/// How long a connection must stay open. A proxy without a server behind it closes it in a few milliseconds.
const OPEN: Duration = Duration::from_millis(50);

pub(super) fn ask(stream: &mut TcpStream) -> Answer {
    stream.set_read_timeout(Some(OPEN)).map_err(|error| error.to_string())?;
    match stream.read(&mut [0]) {
        Ok(0) => Err("closes connections at once".to_owned()),
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
