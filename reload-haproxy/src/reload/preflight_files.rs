//! Checks the files that the configuration names: `haproxy -c` reads them as this program, and HAProxy's master may be
//! another user, or live in another mount namespace.
//!
//! A wrong refusal would block a good file for ever, so an uncertain case passes. So does a file within `.if`.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::config::file::Config;
use crate::config::files::named::{FileKind, NamedFile};
use crate::haproxy::instance::Instance;
use crate::haproxy::places::Places;
use crate::haproxy::privileges::Rights;
use crate::reload::missing::Missing;

/// The first file that HAProxy's master certainly cannot read.
pub(crate) fn missing_file(config: &Config, instance: &Instance) -> Option<Missing> {
    let main = instance.main.as_ref().filter(|main| instance.is_master && !main.has_several_files())?;
    let rights = Rights::of(&main.pid.to_string())?;
    let named = &config.facts.files;
    let places = Places::new(&named.default_path, &config.path, Some(main));
    named.files.iter().filter(|file| !file.is_conditional && !is_bundle(file, &places)).find_map(|file| {
        let (line, path) = (file.line, file.path.clone());
        if places.lacks(&path) {
            return Some(Missing::File { line, path });
        }
        let metadata = fs::metadata(places.of(&path)).ok()?;
        (main.shares("mnt") && may_not_read(&rights, &metadata)).then_some(Missing::FileRight { line, path })
    })
}

/// Whether it may be the beginning of the names of a bundle.
fn is_bundle(file: &NamedFile, places: &Places) -> bool {
    matches!(file.kind, FileKind::Certificate | FileKind::DefaultCertificate)
        && ["rsa", "ecdsa", "dsa"].iter().any(|ending| {
            !places.lacks(&format!("{}.{ending}", file.path))
                && places.of(&format!("{}.{ending}", file.path)).exists()
        })
}

/// Whether a process with these rights certainly may not read a file. An access list could allow what the group's bits
/// allow.
fn may_not_read(rights: &Rights, metadata: &Metadata) -> bool {
    let is_owner = rights.users.get(1) == Some(&metadata.uid());
    let bits = if is_owner { 0o400 } else { 0o044 };
    metadata.mode() & bits == 0 && !rights.can(Rights::READ_ANY) && !rights.can(Rights::ACCESS_ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_without_any_bit_for_the_user_is_certainly_unreadable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let owner = file.as_file().metadata().unwrap().uid();
        let with = |mode: u32, uid: u32, capabilities: u64| {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(fs::Permissions::from_mode(mode)).unwrap();
            may_not_read(&Rights::with([uid; 3], capabilities), &file.as_file().metadata().unwrap())
        };
        assert!(with(0o600, owner + 1, 0) && with(0o040, owner, 0));
        assert!(!with(0o640, owner + 1, 0) && !with(0o604, owner + 1, 0) && !with(0o400, owner, 0));
        assert!(!with(0o600, owner + 1, 1 << Rights::READ_ANY));
    }
}
