//! AMQP 0-9-1: a protocol header is answered by `connection.start`. (Specification 0-9-1, sections 2.2.4 and 4.2.2.)

use super::{Answer, said};
use std::io::{Read, Write};

/// Asks for the version.
const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// A method frame (1) of channel 0.
const METHOD: [u8; 3] = [1, 0, 0];

/// Class 10, method 10.
const START: [u8; 4] = [0, 10, 0, 10];

pub(super) fn ask(stream: &mut (impl Read + Write)) -> Answer {
    stream.write_all(HEADER).map_err(|error| said(&error))?;
    let mut head = [0; 11];
    stream.read_exact(&mut head[..8]).map_err(|error| said(&error))?;
    // A server of another version answers with its own header and closes.
    if head.starts_with(b"AMQP") {
        return Err(format!("speaks AMQP {}.{}.{}, and not 0-9-1 as asked", head[5], head[6], head[7]));
    }
    stream.read_exact(&mut head[8..]).map_err(|error| said(&error))?;
    let starts = head[..3] == METHOD && head[7..] == START;
    if starts { Ok(()) } else { Err("does not speak AMQP 0-9-1".to_owned()) }
}
