//! The PEM blocks of a file, written again so that HAProxy's socket gets nothing else.
//!
//! A file may hold any text between its blocks. Sent as it is, an empty line would end the payload, and 2.6 would run
//! what follows as commands. Errors never repeat what the file holds.

use pem::{EncodeConfig, LineEnding, Pem};
use sha1::{Digest, Sha1};

use crate::files::certificates::answers::NotTaken;
use crate::servers::reason::Reason;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Certificate,
    Crl,
    Key,
    DhParameters,
    /// HAProxy skips it.
    Other,
}

/// The blocks of a file, in its order. Never printed: one may be a private key.
pub(super) struct PemBlocks(Vec<(Content, Pem)>);

impl PemBlocks {
    /// Reads a file. Half a block is a bad file; a key with a pass phrase is a reason for a reload.
    pub(super) fn read(file: &[u8]) -> Result<PemBlocks, NotTaken> {
        let bad = |why: &str| Err(NotTaken::BadFile(why.to_owned()));
        let Some(begun) = count_begun(file) else {
            return Err(Reason::OddPem.into());
        };
        let Ok(blocks) = pem::parse_many(file) else { return bad("a PEM block in it is damaged") };
        if blocks.len() != begun {
            return bad("it ends in the middle of a PEM block");
        }
        let blocks: Vec<_> = blocks.into_iter().map(|block| (content(block.tag()), block)).collect();
        let is_locked = |(content, block): &(Content, Pem)| {
            *content == Content::Key && (block.tag().starts_with("ENCRYPTED") || has_headers(block))
        };
        if blocks.iter().any(is_locked) {
            return Err(Reason::PassPhrase.into());
        }
        Ok(PemBlocks(blocks))
    }

    /// Whether it has a block of this content.
    pub(super) fn has(&self, content: Content) -> bool {
        self.of(content).next().is_some()
    }

    /// How many blocks have this content.
    pub(super) fn count(&self, content: Content) -> usize {
        self.of(content).count()
    }

    /// The SHA-1 fingerprints of its certificates as HAProxy writes them, the leaf's first.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = String> {
        self.of(Content::Certificate).map(|block| fingerprint(block.contents()))
    }

    /// The blocks with these contents as payloads that end with a newline and have no empty line, each of at most
    /// `limit` bytes if its blocks are not larger.
    pub(super) fn payloads(&self, wanted: &[Content], limit: usize) -> Vec<String> {
        let mut payloads = vec![String::new()];
        for (_, block) in self.0.iter().filter(|(content, _)| wanted.contains(content)) {
            // Without headers, which an empty line would follow.
            let block = Pem::new(block.tag(), block.contents());
            let text = pem::encode_config(&block, EncodeConfig::new().set_line_ending(LineEnding::LF));
            match payloads.last_mut() {
                Some(last) if last.is_empty() || last.len() + text.len() <= limit => last.push_str(&text),
                _ => payloads.push(text),
            }
        }
        payloads
    }

    fn of(&self, content: Content) -> impl Iterator<Item = &Pem> {
        self.0.iter().filter(move |(its, _)| *its == content).map(|(_, block)| block)
    }
}

/// How many lines begin a block; `None` if a block begins inside a line, where OpenSSL does not see it.
fn count_begun(file: &[u8]) -> Option<usize> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let lines = file.split(|byte| *byte == b'\n').filter(|line| line.starts_with(BEGIN)).count();
    let all = file.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
    (lines == all).then_some(lines)
}

fn content(tag: &str) -> Content {
    match tag {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Content::Certificate,
        "X509 CRL" => Content::Crl,
        "PRIVATE KEY"
        | "RSA PRIVATE KEY"
        | "EC PRIVATE KEY"
        | "DSA PRIVATE KEY"
        | "ENCRYPTED PRIVATE KEY" => Content::Key,
        "DH PARAMETERS" | "X9.42 DH PARAMETERS" => Content::DhParameters,
        _ => Content::Other,
    }
}

fn has_headers(block: &Pem) -> bool {
    block.headers().iter().next().is_some()
}

fn fingerprint(der: &[u8]) -> String {
    Sha1::digest(der).iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
    const ALL: [Content; 3] = [Content::Certificate, Content::Key, Content::DhParameters];

    fn refused(file: &str) -> String {
        match PemBlocks::read(file.as_bytes()) {
            Ok(_) => String::new(),
            Err(NotTaken::BadFile(why)) => format!("bad: {why}"),
            Err(NotTaken::Reload(reason)) => reason.to_string(),
        }
    }

    fn payload(file: &str) -> String {
        let blocks = PemBlocks::read(file.as_bytes()).unwrap_or_else(|_| panic!("it is a PEM file"));
        blocks.payloads(&ALL, usize::MAX).concat()
    }

    #[test]
    fn only_blocks_are_sent_in_their_order() {
        let text = "Subject: x\n\nset server b/s state maint\n";
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let file = format!("{text}{CERTIFICATE}\n\n{text}{parameters}{KEY}\r\n \nshow info\n");
        assert_eq!(payload(&file), format!("{CERTIFICATE}{KEY}"));
        assert_eq!(payload(&file.replace('\n', "\r\n")), format!("{CERTIFICATE}{KEY}"));
        assert_eq!(payload("no block\n"), "");
    }

    #[test]
    fn a_long_file_is_split_between_blocks() {
        let blocks = PemBlocks::read(CERTIFICATE.repeat(5).as_bytes()).unwrap_or_else(|_| panic!("blocks"));
        let lengths = |limit| blocks.payloads(&ALL, limit).iter().map(String::len).collect::<Vec<_>>();
        let one = CERTIFICATE.len();
        assert_eq!(lengths(2 * one + 1), [2 * one, 2 * one, one]);
        assert_eq!(lengths(1), [one; 5]);
    }

    #[test]
    fn half_a_file_and_damaged_blocks_are_bad() {
        let half = &KEY[..40];
        assert_eq!(refused(&format!("{CERTIFICATE}{half}")), "bad: it ends in the middle of a PEM block");
        for file in
            [format!("{half}\n{CERTIFICATE}"), KEY.replace("c2V", "c=V"), KEY.replace("c2V", "set\n\nc2V")]
        {
            assert_eq!(refused(&file), "bad: a PEM block in it is damaged");
        }
    }

    #[test]
    fn locked_keys_and_blocks_inside_lines_are_left_to_a_reload() {
        let traditional = KEY.replace("\nc2V", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\nc2V");
        for file in [traditional, KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")] {
            assert_eq!(refused(&file), "its private key has a pass phrase");
        }
        let inside = format!("see {CERTIFICATE}{CERTIFICATE}");
        assert_eq!(refused(&inside), "it has the beginning of a PEM block inside a line");
    }

    #[test]
    fn fingerprints_are_those_of_the_certificates() {
        let blocks =
            PemBlocks::read(format!("{KEY}{CERTIFICATE}").as_bytes()).unwrap_or_else(|_| panic!("blocks"));
        // `printf abc | sha1sum`
        let known = "A9993E364706816ABA3E25717850C26C9CD0D89D";
        assert_eq!(blocks.fingerprints().collect::<Vec<_>>(), [known]);
        assert_eq!((blocks.count(Content::Key), blocks.has(Content::Crl)), (1, false));
    }
}
