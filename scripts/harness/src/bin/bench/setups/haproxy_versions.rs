//! The versions of HAProxy that a measure may compare: the installed one and a newer one.
//!
//! The newer one is `$NEWER_HAPROXY`, or the one of Debian's sid that `scripts/bench others` and `scripts/test` put
//! into target/. A measure without it still has the figures of the installed one.

use std::env;
use std::path::PathBuf;

use harness::Result;
use harness::run::programs;

use crate::results::machine::version;

/// Where `scripts/program-from-debian` puts it.
const FETCHED: &str = "target/debian/haproxy-sid/haproxy";

/// A HAProxy.
#[derive(Debug)]
pub struct HaproxyVersion {
    /// `2.6`, or what it is called if it is missing.
    pub name: String,
    /// Its full version, for the description of the machine.
    pub version: String,
    /// The program; `None` if it is missing.
    pub program: Option<PathBuf>,
}

/// The installed one.
pub fn installed() -> Result<HaproxyVersion> {
    Ok(HaproxyVersion::of(programs::find("haproxy")?))
}

/// The newer one.
pub fn newer() -> HaproxyVersion {
    let program = env::var_os("NEWER_HAPROXY").map_or_else(|| programs::shipped(FETCHED), PathBuf::from);
    HaproxyVersion::of(program)
}

impl HaproxyVersion {
    fn of(program: PathBuf) -> HaproxyVersion {
        let version = version(&program, "-v");
        match short(&version) {
            Some(name) => HaproxyVersion { name, version, program: Some(program) },
            None => {
                HaproxyVersion { name: "of sid".to_owned(), version: "not there".to_owned(), program: None }
            }
        }
    }
}

/// `2.6` of `2.6.12-1+deb12u4 2026/10/17`.
fn short(version: &str) -> Option<String> {
    let mut numbers = version.split(['.', '-', ' ']).map_while(|number| number.parse::<u32>().ok());
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_called_by_its_first_two_numbers() {
        assert_eq!(short("2.6.12-1+deb12u4 2026/10/17").as_deref(), Some("2.6"));
        assert_eq!(short("3.5-dev1 2026/10/17").as_deref(), Some("3.5"));
        assert_eq!(short("unknown"), None);
    }

    #[test]
    fn a_missing_one_has_no_program() {
        let missing = HaproxyVersion::of("/nonexistent/haproxy".into());
        assert_eq!((missing.name.as_str(), missing.program), ("of sid", None));
    }
}
