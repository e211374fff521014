//! How HAProxy splits a line of its configuration into words, byte by byte (parse_line in src/tools.c, 2.6 to 3.x).
//!
//! White space separates words. A carriage return that is not among white space ends the line, even within quotes,
//! and so does a NUL. A `#` outside quotes ends it too. A backslash escapes a few characters, a dollar only within
//! double quotes; `\xHH` is a byte. HAProxy replaces a variable only within double quotes; here it is left unchanged.

/// A word: its bytes, and whether HAProxy would put a variable's value into it.
pub type Word = (Vec<u8>, bool);

/// The words of a line. `None` for a line that HAProxy rejects: an open quote, or `\x` without two digits.
pub fn words(line: &[u8]) -> Option<Vec<Word>> {
    let mut reader = Reader { rest: skip_space(line), quote: None, words: Vec::new(), word: None };
    while reader.step()? {}
    reader.words.extend(reader.word.take());
    reader.quote.is_none().then_some(reader.words)
}

fn skip_space(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|byte| !is_space(*byte));
    &line[end.unwrap_or(line.len())..]
}

/// isspace(3) in the C locale, which has one character more than Rust's.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

struct Reader<'a> {
    rest: &'a [u8],
    quote: Option<u8>,
    words: Vec<Word>,
    word: Option<Word>,
}

impl Reader<'_> {
    /// Reads one more character or escape. Returns false at the end of the line, and `None` if the line is invalid.
    fn step(&mut self) -> Option<bool> {
        let Some((&byte, rest)) = self.rest.split_first() else { return Some(false) };
        match (byte, self.quote) {
            (0 | b'\n' | b'\r', _) | (b'#', None) => return Some(false),
            (b'"' | b'\'', None) => {
                self.quote = Some(byte);
                self.word.get_or_insert_default();
            }
            (byte, Some(quote)) if byte == quote => self.quote = None,
            (b'\\', None | Some(b'"')) => {
                let (byte, length) = backslash(rest, self.quote.is_some())?;
                self.push(byte);
                self.rest = &rest[length..];
                return Some(true);
            }
            (byte, None) if is_space(byte) => {
                self.words.extend(self.word.take());
                self.rest = skip_space(rest);
                return Some(true);
            }
            (byte, quote) => {
                self.push(byte);
                self.word.get_or_insert_default().1 |= byte == b'$' && quote == Some(b'"');
            }
        }
        self.rest = rest;
        Some(true)
    }

    fn push(&mut self, byte: u8) {
        self.word.get_or_insert_default().0.push(byte);
    }
}

/// The byte that a backslash before `rest` stands for, and how many bytes of `rest` belong to it.
fn backslash(rest: &[u8], is_quoted: bool) -> Option<(u8, usize)> {
    let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
    Some(match rest.first() {
        Some(&byte @ (b' ' | b'\\' | b'#' | b'\'' | b'"')) => (byte, 1),
        Some(b'$') if is_quoted => (b'$', 1),
        Some(b't') => (b'\t', 1),
        Some(b'n') => (b'\n', 1),
        Some(b'r') => (b'\r', 1),
        Some(b'x') => (u8::try_from(digit(1)? * 16 + digit(2)?).ok()?, 3),
        _ => (b'\\', 0),
    })
}
