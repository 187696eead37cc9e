//! Redis: `PING` is answered by `PONG`; a server that asks for a password serves too.

use super::{Answer, said};
use std::io::{Read, Write};

pub(super) fn ask(stream: &mut (impl Read + Write)) -> Answer {
    stream.write_all(b"PING\r\n").map_err(|error| said(&error))?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while answer.len() < 512 && !answer.ends_with(b"\n") {
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => answer.push(byte[0]),
            Err(error) => return Err(said(&error)),
        }
    }
    let line = String::from_utf8_lossy(&answer);
    match line.trim_end() {
        "+PONG" => Ok(()),
        line if line.starts_with("-NOAUTH") => Ok(()),
        "" => Err("closes connections at once".to_owned()),
        line => Err(format!("answers {line}")),
    }
}
