//! How large a template and its text may be. A slip in a template must end with a line that says so, not
//! with the memory of the machine that serves the requests.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use common::regular_file;

/// No template that a person writes is larger, in bytes; what is, is another file.
const SOURCE_MAX: usize = 4 << 20;
/// A configuration of 100,000 servers is a fifth of this; a loop in a loop has no end of its own.
const TEXT_MAX: usize = 64 << 20;

/// Reads a template, which is a regular file, text, and not too large.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut source = Vec::new();
    regular_file::open(path)?.take(SOURCE_MAX as u64 + 1).read_to_end(&mut source)?;
    if source.len() > SOURCE_MAX {
        let reason = format!("it is larger than {} MiB, which no template is", SOURCE_MAX >> 20);
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    String::from_utf8(source).map_err(|err| io::Error::new(ErrorKind::InvalidData, err.utf8_error()))
}

/// A text that does not grow beyond TEXT_MAX.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    /// The text until now.
    pub(crate) bytes: Vec<u8>,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > TEXT_MAX - self.bytes.len() {
            let reason = format!("its text is larger than {} MiB; does a loop multiply?", TEXT_MAX >> 20);
            return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_to_the_limit_and_no_further() {
        let mut text = Limited::default();
        let half = vec![b'x'; TEXT_MAX / 2];
        text.write_all(&half).unwrap();
        text.write_all(&half).unwrap();
        assert!(text.write_all(b"x").unwrap_err().to_string().starts_with("its text is larger than 64 MiB"));
        assert_eq!(text.bytes.len(), TEXT_MAX);
    }
}
