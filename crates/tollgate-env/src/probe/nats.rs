//! NATS: the server introduces itself with `INFO {...}` as soon as it serves. (NATS documentation, "Client Protocol".)

use super::{Answer, said};
use std::io::{Read, Write};

pub(super) fn ask(stream: &mut (impl Read + Write)) -> Answer {
    let mut head = [0; 5];
    stream.read_exact(&mut head).map_err(|error| said(&error))?;
    match &head {
        b"INFO " => Ok(()),
        other => Err(format!("does not speak NATS: {}", String::from_utf8_lossy(other))),
    }
}
