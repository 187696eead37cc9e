//! MariaDB and MySQL: the server greets with its handshake, or says why it does not. (MariaDB documentation, "Initial
//! Handshake Packet" and "`ERR_Packet`".)

use super::{Answer, said};
use std::io::{Read, Write};

/// Version of the protocol, the first byte of a handshake.
const HANDSHAKE: u8 = 10;

/// First byte of a refusal.
const REFUSAL: u8 = 0xff;

/// Longest refusal that is read.
const BYTES_MAX: usize = 512;

pub(super) fn ask(stream: &mut (impl Read + Write)) -> Answer {
    // Three bytes of length, the number of the packet, and what it is.
    let mut head = [0; 5];
    stream.read_exact(&mut head).map_err(|error| said(&error))?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
    match (head[3], head[4]) {
        (0, HANDSHAKE) => Ok(()),
        (0, REFUSAL) if (3..BYTES_MAX).contains(&length) => {
            let mut body = Vec::new();
            stream.take(length as u64 - 1).read_to_end(&mut body).map_err(|error| said(&error))?;
            Err(refusal(&body))
        }
        _ => Err("does not speak the protocol of MariaDB".to_owned()),
    }
}

/// The number of an error, a state of six characters after `#` where there is one, and its text.
fn refusal(body: &[u8]) -> String {
    let code = body.get(..2).map_or(0, |code| u16::from_le_bytes([code[0], code[1]]));
    let text = String::from_utf8_lossy(body.get(2..).unwrap_or_default()).into_owned();
    let text = if text.starts_with('#') { text.chars().skip(6).collect() } else { text };
    format!("refuses: {text} (error {code})")
}
