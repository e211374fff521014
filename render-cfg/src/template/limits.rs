//! Size limits for a template and its rendered text. A mistake in a template must cause an error message. It must not
//! use up the balancer's memory.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use common::regular_file;

/// The largest template, in bytes. A larger file is not a template.
const SOURCE_MAX: usize = 4 << 20;
/// The largest rendered text, in bytes. A configuration of 100,000 servers needs a fifth of it. Nested loops can exceed
/// any limit.
const TEXT_MAX: usize = 64 << 20;

/// The most `elif` in a template. Tera's parser calls itself for each of a chain, and thousands would overflow the stack.
const ELIF_MAX: usize = 500;
/// The stack of a thread that parses a template, in bytes: as much as a main thread usually has.
pub(crate) const PARSER_STACK: usize = 8 << 20;

/// Reads a template. It must be a regular file, UTF-8, and not too large. It may have at most ELIF_MAX `elif`.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut source = Vec::new();
    regular_file::open(path)?.take(SOURCE_MAX as u64 + 1).read_to_end(&mut source)?;
    if source.len() > SOURCE_MAX {
        let reason = format!("it is larger than {} MiB, the limit for a template", SOURCE_MAX >> 20);
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    let source =
        String::from_utf8(source).map_err(|err| io::Error::new(ErrorKind::InvalidData, err.utf8_error()))?;
    if source.matches("elif").nth(ELIF_MAX).is_some() {
        let reason = format!(
            "it has more than {ELIF_MAX} 'elif', the limit for a template; look the value up in a map"
        );
        return Err(io::Error::new(ErrorKind::InvalidData, reason));
    }
    Ok(source)
}

/// A buffer that does not grow beyond TEXT_MAX.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    /// The text so far.
    pub(crate) bytes: Vec<u8>,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > TEXT_MAX - self.bytes.len() {
            let reason = format!(
                "its text is larger than {} MiB; is a loop nested in another one by mistake?",
                TEXT_MAX >> 20
            );
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
    use std::thread::{self, Builder};

    use common::replace::replace;

    use super::*;
    use crate::side_files::SideFiles;
    use crate::template::Template;

    #[test]
    fn a_template_may_have_a_long_chain_of_elif_but_no_endless_one() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        let chain = |length| format!("{{% if false %}}{}{{% endif %}}", "{% elif false %}".repeat(length));
        replace(&path, chain(ELIF_MAX).as_bytes(), 0o600).unwrap();
        let parse = || Template::read(&path, SideFiles::of(None)).map(drop);
        thread::scope(|scope| {
            let thread = Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse).unwrap();
            assert!(thread.join().unwrap().is_ok());
        });
        replace(&path, chain(100_000).as_bytes(), 0o600).unwrap();
        assert!(parse().unwrap_err().to_string().contains("it has more than 500 'elif'"));
    }

    #[test]
    fn a_text_does_not_grow_beyond_the_limit() {
        let mut text = Limited::default();
        let half = vec![b'x'; TEXT_MAX / 2];
        text.write_all(&half).unwrap();
        text.write_all(&half).unwrap();
        assert!(text.write_all(b"x").unwrap_err().to_string().starts_with("its text is larger than 64 MiB"));
        assert_eq!(text.bytes.len(), TEXT_MAX);
    }
}
