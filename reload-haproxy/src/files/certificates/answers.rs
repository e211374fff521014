//! HAProxy's answers to commands about certificates, in the forms of 2.6 to 3.4.
//!
//! An answer may repeat a part of what was sent, and that may be a private key. So a line is passed on only if it
//! begins with one of these phrases, which HAProxy writes before it has read any of the payload.

use crate::files::applied::Applied;
use crate::servers::reason::Reason;

/// Beginnings of lines that say that the file is bad, and what they mean. HAProxy may add OpenSSL's reason.
const BAD_FILE: [(&str, &str); 8] = [
    (
        "inconsistencies between private key and certificate",
        "its private key does not belong to its certificate",
    ),
    // That the file has a key was checked before.
    (
        "The transaction must contain at least a certificate and a private key",
        "HAProxy cannot read its private key",
    ),
    ("unable to load SSL private key into SSL Context ", "HAProxy cannot use its private key"),
    ("unable to load SSL certificate into SSL Context ", "HAProxy cannot use its certificate"),
    ("unable to load certificate from file ", "HAProxy cannot read a certificate in it"),
    ("unable to load certificate chain from file ", "HAProxy cannot read its certificate chain"),
    ("unable to load private key from file ", "HAProxy cannot read its private key"),
    ("Invalid payload", "HAProxy cannot read it"),
];

/// Beginnings of lines that may be repeated: of a payload they contain at most a line of a crt-list.
const PUBLIC: [&str; 12] = [
    "Permission denied",
    "Can't replace a ",
    "Can't edit the crt-list: ",
    "Can't delete the entry: ",
    "Can't remove the certificate: ",
    "Can't load the payload",
    "unable to load ",
    "No ongoing transaction",
    "The ongoing transaction is about ",
    "The command is too big",
    "The command line is too big",
    "Failed!",
];

/// Why HAProxy did not take a file.
pub(super) enum NotTaken {
    /// It is certainly bad: a reload could not load it either.
    BadFile(String),
    Reload(Reason),
}

impl From<Reason> for NotTaken {
    fn from(reason: Reason) -> NotTaken {
        NotTaken::Reload(reason)
    }
}

/// The outcome for the caller: a bad file is not an error here.
pub(super) fn outcome(result: Result<(), NotTaken>) -> Result<Applied, Reason> {
    match result {
        Ok(()) => Ok(Applied::Done),
        Err(NotTaken::BadFile(why)) => Ok(Applied::Refused(why)),
        Err(NotTaken::Reload(reason)) => Err(reason),
    }
}

/// What an answer that is not a success says about the file, or the reason for a reload.
pub(super) fn not_taken(command: &'static str, answer: &str) -> NotTaken {
    let known = |line: &str| {
        let (_, meaning) = BAD_FILE.iter().find(|(beginning, _)| line.starts_with(beginning))?;
        // One of OpenSSL's fixed texts follows the name: `'site.pem': ee key too small.`
        let reason = line.rsplit_once("': ").map(|(_, reason)| reason.trim_end_matches('.'));
        Some(reason.map_or_else(|| (*meaning).to_owned(), |reason| format!("{meaning} ({reason})")))
    };
    match answer.lines().find_map(known) {
        Some(why) => NotTaken::BadFile(why),
        None => NotTaken::Reload(unexpected(command, answer)),
    }
}

/// The reason for a reload after an answer that is not a success.
pub(super) fn unexpected(command: &'static str, answer: &str) -> Reason {
    let is_public = |line: &&str| PUBLIC.iter().any(|beginning| line.starts_with(beginning));
    let answer = match answer.lines().find(is_public) {
        Some(line) => line,
        None if answer.trim().is_empty() => "nothing, as if it were too large for its buffer (tune.bufsize)",
        None => "a text that is withheld, as it may repeat a private key",
    };
    Reason::Answer { command, answer: answer.to_owned() }
}

/// Whether a command with progress reports its success.
pub(super) fn is_success(answer: &str) -> bool {
    answer.lines().any(|line| line == "Success!")
}

/// Which transaction an answer to `set ssl ...` is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// A new one, for this name.
    Created(&'a str),
    /// The one that was open, for this name. 2.6 puts the certificate of any other name into it.
    Updated(&'a str),
    /// Another one is open, for this name.
    Busy(&'a str),
}

/// Reads the answer to `set ssl ...`; `None` if it is something else. `noun` is what HAProxy calls the file.
pub(super) fn opened<'a>(answer: &'a str, noun: &str) -> Option<Opened<'a>> {
    answer.lines().find_map(|line| {
        if let Some(rest) = line.strip_prefix("The ongoing transaction is about '") {
            return rest.split_once("' but you are trying to ").map(|(name, _)| Opened::Busy(name));
        }
        let rest = line.strip_prefix("Transaction ").or_else(|| line.strip_prefix("transaction "))?;
        let (what, rest) = rest.split_once(" for ")?;
        let name = rest.strip_prefix(noun)?.strip_prefix(' ')?.strip_suffix('!')?;
        match what {
            "created" => Some(Opened::Created(name)),
            "updated" => Some(Opened::Updated(name)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(not_taken: NotTaken) -> String {
        match not_taken {
            NotTaken::BadFile(why) => format!("bad: {why}"),
            NotTaken::Reload(reason) => reason.to_string(),
        }
    }

    #[test]
    fn transactions_are_read_in_the_forms_of_all_versions() {
        let read = |answer| opened(answer, "certificate");
        assert_eq!(
            read("Transaction created for certificate a b.pem!\n\n"),
            Some(Opened::Created("a b.pem"))
        );
        assert_eq!(read("Transaction updated for certificate /x!y!\n"), Some(Opened::Updated("/x!y")));
        let busy = "The ongoing transaction is about 'a.pem' but you are trying to set 'b.pem'\nCan't update b.pem!\n";
        assert_eq!(read(busy), Some(Opened::Busy("a.pem")));
        assert_eq!(opened("transaction created for CA ca.pem!\n", "CA"), Some(Opened::Created("ca.pem")));
        assert_eq!(opened("transaction updated for CRL c.pem!\n", "CRL"), Some(Opened::Updated("c.pem")));
        assert_eq!(read("Can't load the payload\nCan't update a.pem!\n"), None);
        assert_eq!(read("Transaction aborted for certificate 'a.pem'!\n"), None);
    }

    #[test]
    fn a_bad_file_is_reported_in_our_words() {
        let commit =
            "inconsistencies between private key and certificate loaded 'a.pem'.\nCan't commit a.pem!\n";
        let says = "bad: its private key does not belong to its certificate";
        assert_eq!(text(not_taken("commit ssl cert", commit)), says);
        let set = "unable to load certificate from file 'a.pem': bad end line.\nCan't load the payload\n";
        let says = "bad: HAProxy cannot read a certificate in it (bad end line)";
        assert_eq!(text(not_taken("set ssl cert", set)), says);
    }

    #[test]
    fn nothing_of_a_payload_is_passed_on() {
        let key = "MIGHAgEAMBMGByqGSM49AgEG";
        let echoes = [
            format!("Unknown command: '{key}', but maybe one of the following ones is a better match:\n"),
            format!("Unknown command. Please enter one of:\n  {key} : abort a transaction\n"),
            format!("'{key}' is not a valid file\n"),
            format!("  Failed! {key}\n"),
        ];
        for echo in echoes {
            let said = text(not_taken("set ssl cert", &echo));
            assert!(said.contains("withheld") && !said.contains(key), "{said}");
        }
        let said = text(not_taken("set ssl cert", &format!("{key}\nPermission denied\n")));
        assert_eq!(said, "HAProxy answered 'set ssl cert' with 'Permission denied'");
        assert!(text(not_taken("set ssl cert", "\n")).contains("tune.bufsize"));
    }
}
