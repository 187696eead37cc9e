//! PostgreSQL: a startup packet is answered by a request to authenticate. No password is needed to see that.
//!
//! A server that starts, stops or recovers answers with the error 57P03 instead. (PostgreSQL documentation, "Message
//! Flow".)

use super::{Answer, said};
use std::io::{Read, Write};

/// Version 3.0 of the protocol.
const PROTOCOL: u32 = 0x0003_0000;
/// Longest message that is read; errors are short.
const BYTES_MAX: usize = 8192;

pub(super) fn ask(stream: &mut (impl Read + Write), user: &str, database: &str) -> Answer {
    stream.write_all(&startup(user, database)).map_err(|error| said(&error))?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).map_err(|error| said(&error))?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    match head[0] {
        b'R' => Ok(()),
        b'E' if (4..BYTES_MAX).contains(&length) => {
            let mut body = vec![0; length - 4];
            stream.read_exact(&mut body).map_err(|error| said(&error))?;
            Err(message(&body))
        }
        _ => Err("does not speak PostgreSQL's protocol".to_owned()),
    }
}

fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, "application_name", "tollgate"] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().to_vec(), body].concat()
}

/// The error's text and its code, of fields that are a letter and a zero-terminated string each.
fn message(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let field = |letter: u8| {
        let found = fields.clone().find(|field| field[0] == letter);
        found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
    };
    format!("{} (SQLSTATE {})", field(b'M'), field(b'C'))
}
