//! Server-sent events, read from bytes as they come (WHATWG HTML, section 9.2).
//!
//! Keeps only `data`: no provider needs more of it. Does not know what is in it.

/// An event longer than this is no event of a model.
const EVENT_LEN_MAX: usize = 4 << 20;

/// The bytes of an event that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
}

/// An event that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Events {
    /// Takes bytes and returns the data of each event that they complete, in order.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut whole = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
            let line = std::mem::take(&mut self.line);
            whole.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
        }
        if self.line.len() + self.data.len() > EVENT_LEN_MAX { Err(TooLong) } else { Ok(whole) }
    }

    /// An empty line ends an event; a `data` line adds to it; all others say nothing to us.
    fn end_of_line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(data);
        }
        if let Some(text) = line.strip_prefix("data:") {
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(text.strip_prefix(' ').unwrap_or(text));
            self.has_data = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_come() {
        let text = "event: x\r\ndata: {\"a\":\r\ndata:1}\r\n\r\n: note\n\ndata: grün\n\ndata: [DONE]\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let got: Vec<_> = text.as_bytes().chunks(size).flat_map(|c| events.take(c).expect("short")).collect();
            assert_eq!(got, ["{\"a\":\n1}", "grün", "[DONE]"], "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::default();
        assert_eq!(events.take(&vec![b'x'; EVENT_LEN_MAX + 1]), Err(TooLong));
    }
}
