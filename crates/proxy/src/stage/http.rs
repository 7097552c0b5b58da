//! HTTP/1 on the wire: where messages begin and end, in whatever pieces they come. Shared by the toxics that speak HTTP.
//!
//! Text that is not HTTP, or a head larger than [`LARGEST_HEAD`], is passed as it is from there on.

/// A head that is larger is no head.
const LARGEST_HEAD: usize = 64 * 1024;

/// What a body's length is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks, each with its size before it.
    Chunked(Chunked),
    /// All there is until the stream ends; also what is not HTTP, or no longer.
    Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the line with the size; what has been read of it, and whether its digits are over.
    Size(u64, bool),
    /// In a chunk and the line end behind it.
    Data(u64),
    /// In the lines behind the last chunk; whether the present one is empty so far.
    Trailer(bool),
}

/// One event of a stream of messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A whole head, with the empty line that ends it. The reader must be told what body follows.
    Head(Vec<u8>),
    /// Bytes of a body.
    Body(&'a [u8]),
}

/// Finds the heads in a stream.
#[derive(Debug)]
pub(super) struct Reader {
    head: Vec<u8>,
    body: Body,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { head: Vec::new(), body: Body::Length(0) }
    }

    /// What follows the head that was just found.
    pub(super) fn body_follows(&mut self, body: Body) {
        self.body = body;
    }

    /// What has been read of a head that is not whole yet.
    pub(super) fn take_unfinished(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.head)
    }

    /// The next event in `data`, which is moved on. None: all of it has been taken in.
    pub(super) fn next<'a>(&mut self, data: &mut &'a [u8]) -> Option<Event<'a>> {
        while !data.is_empty() {
            let all = *data;
            let taken = match self.body {
                Body::Rest => all.len(),
                Body::Length(0) => match self.head_byte(data) {
                    Some(head) => return Some(Event::Head(head)),
                    None => continue,
                },
                Body::Length(left) => {
                    let taken = usize::try_from(left).map_or(all.len(), |left| all.len().min(left));
                    self.body = Body::Length(left - taken as u64);
                    taken
                }
                Body::Chunked(state) => self.chunked(state, all),
            };
            let (body, rest) = all.split_at(taken);
            *data = rest;
            return Some(Event::Body(body));
        }
        None
    }

    fn head_byte(&mut self, data: &mut &[u8]) -> Option<Vec<u8>> {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        self.head.push(*byte);
        let whole = self.head.ends_with(b"\r\n\r\n") || self.head.ends_with(b"\n\n");
        // Methods and versions begin with a capital letter. Looking at the first byte keeps a toxic that was added in the
        // middle of a stream from holding on to what is no head.
        let hopeless = self.head.len() == 1 && !(byte.is_ascii_uppercase() || byte.is_ascii_whitespace());
        if hopeless || self.head.len() > LARGEST_HEAD {
            self.body = Body::Rest;
        } else if !whole {
            return None;
        }
        Some(std::mem::take(&mut self.head))
    }

    /// How much of `data` belongs to the chunked body.
    fn chunked(&mut self, mut state: Chunked, data: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = data.get(at) {
            state = match state {
                Chunked::Size(size, digits) => {
                    at += 1;
                    match (char::from(*byte).to_digit(16), byte) {
                        (_, b'\n') if size == 0 => Chunked::Trailer(true),
                        (_, b'\n') => Chunked::Data(size.saturating_add(2)),
                        (Some(digit), _) if digits => {
                            Chunked::Size(size.saturating_mul(16).saturating_add(digit.into()), true)
                        }
                        _ => Chunked::Size(size, false),
                    }
                }
                Chunked::Data(left) => {
                    let taken =
                        usize::try_from(left).map_or(data.len() - at, |left| left.min(data.len() - at));
                    at += taken;
                    match left - taken as u64 {
                        0 => Chunked::Size(0, true),
                        left => Chunked::Data(left),
                    }
                }
                Chunked::Trailer(empty) => {
                    at += 1;
                    match byte {
                        b'\n' if empty => {
                            self.body = Body::Length(0);
                            return at;
                        }
                        b'\n' => Chunked::Trailer(true),
                        b'\r' => Chunked::Trailer(empty),
                        _ => Chunked::Trailer(false),
                    }
                }
            };
        }
        self.body = Body::Chunked(state);
        at
    }
}

/// The first line of a head, in words.
pub(super) fn first_line(head: &[u8]) -> Vec<String> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().map(str::to_owned).collect()
}

/// The value of a header, if it is there.
pub(super) fn header(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    text.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// What body the headers announce; `otherwise` if they announce none.
pub(super) fn announced(head: &[u8], otherwise: Body) -> Body {
    let coding = header(head, "transfer-encoding");
    if coding.is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
        return Body::Chunked(Chunked::Size(0, true));
    }
    match header(head, "content-length").map(|length| length.parse()) {
        Some(Ok(length)) => Body::Length(length),
        // Nobody can say where such a message ends.
        Some(Err(_)) => Body::Rest,
        None => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Heads and bodies of a stream of requests, fed in pieces of `step` bytes.
    fn read(stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut reader = Reader::new();
        let (mut heads, mut all) = (Vec::new(), Vec::new());
        for mut piece in stream.chunks(step.max(1)) {
            while let Some(event) = reader.next(&mut piece) {
                match event {
                    Event::Head(head) => {
                        all.extend(&head);
                        if all.len() < 100_000 {
                            reader.body_follows(announced(&head, Body::Length(0)));
                        }
                        heads.push(head);
                    }
                    Event::Body(body) => all.extend(body),
                }
            }
        }
        all.extend(reader.take_unfinished());
        (heads, all)
    }

    proptest! {
        #[test]
        fn messages_are_found_in_whatever_pieces_they_come(step in 1_usize..40) {
            let stream = b"GET /a HTTP/1.1\r\nA: b\r\n\r\n\
                POST /b HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\nhelloPOST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                b;x=1\r\nhello\r\nworld\r\n0\r\nT: u\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
            let (heads, all) = read(stream, step);
            prop_assert_eq!(all, stream.to_vec());
            let paths: Vec<String> = heads.iter().map(|head| first_line(head)[1].clone()).collect();
            prop_assert_eq!(paths, ["/a", "/b", "/c", "/d"]);
        }

        #[test]
        fn any_bytes_come_out_as_they_went_in(stream in prop::collection::vec(any::<u8>(), 0..3_000), step in 1_usize..500) {
            prop_assert_eq!(read(&stream, step).1, stream);
        }

        #[test]
        fn any_text_that_looks_like_http_does_too(
            stream in "(GET /|HTTP/1.1 200 OK|\r\n|\n|Content-Length: |Transfer-Encoding: chunked|[0-9a-f]{1,20}|:| ){0,60}",
            step in 1_usize..50,
        ) {
            prop_assert_eq!(read(stream.as_bytes(), step).1, stream.as_bytes());
        }
    }
}
