//! Reads one answer from a connection: its head and its body, which ends after a given length, after the last chunk
//! or with the connection. An answer that ends too early is a failure, never a short body.

use std::io::Read;
use std::net::TcpStream;
use std::time::Instant;

use httparse::Status;

use crate::traffic::response::{Failure, Response};

// Far more than any answer that a run reads. It keeps a server that never stops sending from filling the memory.
const MAX_ANSWER: usize = 8 << 20;

/// Reads one answer. The flag is true if the answer marked its own end, so that the connection can be used again.
pub(super) fn read_response(
    stream: &mut TcpStream,
    deadline: Instant,
    no_body: bool,
) -> Result<(Response, bool), Failure> {
    let mut reader = Reader { stream, deadline, bytes: Vec::new() };
    let (mut response, head) = loop {
        if let Some(parsed) = parse_head(&reader.bytes)? {
            break parsed;
        }
        reader.more()?;
    };
    reader.bytes.drain(..head);
    if no_body || response.status == 204 || response.status == 304 {
        return Ok((response, true));
    }
    if response.header("transfer-encoding").is_some() {
        response.body = reader.chunked()?;
        return Ok((response, true));
    }
    let length = response.header("content-length").map(|value| value.parse().map_err(|_| Failure::Broken));
    let (body, delimited) = match length.transpose()? {
        Some(length) => (reader.exactly(length)?, true),
        None => (reader.until_end()?, false),
    };
    response.body = body;
    Ok((response, delimited))
}

/// The head of an answer and its length, or `None` if it is not complete yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(Response, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let Status::Complete(length) = parsed.parse(bytes).map_err(|_| Failure::Broken)? else {
        return Ok(None);
    };
    let text = |header: &httparse::Header| {
        (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
    };
    let headers = parsed.headers.iter().map(text).collect();
    Ok(Some((Response { status: parsed.code.unwrap_or(0), headers, body: Vec::new() }, length)))
}

struct Reader<'a> {
    stream: &'a mut TcpStream,
    deadline: Instant,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    fn more(&mut self) -> Result<(), Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Timeout);
        }
        if self.bytes.len() > MAX_ANSWER {
            return Err(Failure::Broken);
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer)? {
            0 => Err(Failure::Eof),
            read => {
                self.bytes.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        while self.bytes.len() < length {
            self.more()?;
        }
        Ok(self.bytes.drain(..length).collect())
    }

    fn until_end(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(Failure::Eof) => return Ok(std::mem::take(&mut self.bytes)),
                Err(failure) => return Err(failure),
            }
        }
    }

    fn chunked(&mut self) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.bytes).map_err(|_| Failure::Broken)? {
                Status::Partial => self.more()?,
                Status::Complete((head, size)) => {
                    self.bytes.drain(..head);
                    let size = usize::try_from(size).map_err(|_| Failure::Broken)?;
                    let chunk = self.exactly(size.saturating_add(2))?;
                    if size == 0 {
                        return Ok(body);
                    }
                    body.extend_from_slice(&chunk[..size]);
                }
            }
        }
    }
}
