//! Server-sent events: reads a byte stream that arrives in any pieces, and reads a chat frame from an event.

use crate::chat::Frame;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its name; `message` where the sender gave none.
    pub event: String,
    /// Its data, lines joined by `\n`.
    pub data: String,
}

/// Puts events together from pieces of bytes; comments (keep-alives) and unknown fields are skipped.
#[derive(Debug, Default)]
pub struct SseDecoder {
    pending: Vec<u8>,
    event: Option<String>,
    data: Vec<String>,
}

impl SseDecoder {
    /// Takes the next piece and gives the events that it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<SseEvent> {
        self.pending.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let line = String::from_utf8_lossy(&self.pending).trim_end_matches(['\n', '\r']).to_owned();
            self.pending = rest;
            events.extend(self.line(&line));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = Some(value.to_owned()),
            "data" => self.data.push(value.to_owned()),
            _ => {}
        }
        None
    }

    /// An empty line ends an event; one without data is none.
    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = self.event.take().unwrap_or_else(|| "message".to_owned());
        let data = std::mem::take(&mut self.data);
        (!data.is_empty()).then(|| SseEvent { event, data: data.join("\n") })
    }
}

/// The SSE name of a frame.
pub fn name(frame: &Frame) -> &'static str {
    match frame {
        Frame::Token(_) => "token",
        Frame::End(_) => "end",
    }
}

/// The SSE data of a frame: its fields as JSON, without the name.
pub fn data(frame: &Frame) -> String {
    let value = match frame {
        Frame::Token(token) => serde_json::to_value(token),
        Frame::End(end) => serde_json::to_value(end),
    };
    value.expect("plain structs of strings and numbers always serialize").to_string()
}

/// Reads a frame from an event.
///
/// # Errors
///
/// The text says which event it was and what is wrong with it.
pub fn frame(event: &SseEvent) -> Result<Frame, String> {
    let read = match event.event.as_str() {
        "token" => serde_json::from_str(&event.data).map(Frame::Token),
        "end" => serde_json::from_str(&event.data).map(Frame::End),
        other => return Err(format!("unknown event {other:?} in the stream")),
    };
    read.map_err(|error| format!("event {:?} with unreadable data: {error}", event.event))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::chat::{End, Token};

    fn decoded(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::default();
        pieces.iter().flat_map(|piece| decoder.push(piece)).map(|event| (event.event, event.data)).collect()
    }

    fn check(pieces: &[&[u8]], expect: &[(&str, &str)]) {
        let expect: Vec<_> = expect.iter().map(|(event, data)| ((*event).to_owned(), (*data).to_owned())).collect();
        assert_eq!(decoded(pieces), expect);
    }

    #[test]
    fn events_are_put_together_whatever_the_pieces() {
        check(&[b"event: token\ndata: 1\n\n"], &[("token", "1")]);
        check(&[b"event: tok", b"en\nda", b"ta: 1\n", b"\n"], &[("token", "1")]);
        check(&[b"event: token\r\ndata: 1\r\n\r\n"], &[("token", "1")]);
        check(&[b"data: a\ndata: b\n\n"], &[("message", "a\nb")]);
        check(&[b"data: 1\n\nevent: end\ndata:2\n\n"], &[("message", "1"), ("end", "2")]);
    }

    #[test]
    fn a_character_split_between_two_pieces_stays_whole() {
        let text = "data: gr\u{fc}n\n\n".as_bytes();
        check(&[&text[..9], &text[9..]], &[("message", "gr\u{fc}n")]);
    }

    #[test]
    fn keep_alives_unknown_fields_and_unfinished_events_give_nothing() {
        check(&[b": keep-alive\n\n"], &[]);
        check(&[b"id: 7\nretry\n\n"], &[]);
        check(&[b"event: token\ndata: 1\n"], &[]);
        check(&[b"event: token\n\ndata: 1\n\n"], &[("message", "1")]);
    }

    #[test]
    fn a_frame_survives_the_round_trip() {
        for sent in [
            Frame::Token(Token { index: 3, text: "two\nlines".to_owned() }),
            Frame::End(End { tokens_in: 1, tokens_out: 2, interrupted: true }),
        ] {
            let event = SseEvent { event: name(&sent).to_owned(), data: data(&sent) };
            assert_eq!(frame(&event), Ok(sent));
        }
    }

    #[test]
    fn a_frame_that_can_not_be_read_says_why() {
        let event = |event: &str, data: &str| SseEvent { event: event.to_owned(), data: data.to_owned() };
        assert_eq!(frame(&event("ping", "{}")), Err("unknown event \"ping\" in the stream".to_owned()));
        let error = frame(&event("end", "{}")).unwrap_err();
        assert!(error.contains("\"end\"") && error.contains("tokens_in"), "{error}");
    }

    #[test]
    fn frames_as_json_name_their_event() {
        let json = serde_json::to_value(Frame::Token(Token { index: 0, text: "a".to_owned() })).unwrap();
        assert_eq!(json, serde_json::json!({"event": "token", "index": 0, "text": "a"}));
    }
}
