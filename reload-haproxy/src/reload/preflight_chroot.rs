//! Checks `chroot`, which `haproxy -c` does not: whether the directory exists, and whether HAProxy may enter it.
//!
//! Up to 3.0 a `chroot` that fails ends the whole HAProxy. From 3.4 on (641fe4f11) a worker without the right tries
//! again in a user namespace, `chroot /` does nothing, and `chroot auto` makes a directory. This program cannot know
//! whether the kernel allows the namespace, so such a file passes.

use std::path::Path;

use crate::config::facts::ConfigFacts;
use crate::haproxy::instance::Instance;
use crate::haproxy::privileges::Rights;
use crate::haproxy::program::next_version;
use crate::haproxy::version::Version;
use crate::reload::missing::Missing;

/// The `chroot` directory, if it is missing.
pub(crate) fn missing_chroot(facts: &ConfigFacts, instance: &Instance) -> Option<Missing> {
    let (chroot, main) = (facts.chroot.as_ref()?, instance.main.as_ref()?);
    let is_missing = !main.place(&main.directory().join(chroot))?.is_dir();
    let may_be_made = || chroot == Path::new("auto") && may_chroot_without_right(instance);
    (is_missing && !may_be_made()).then(|| Missing::Chroot(chroot.clone()))
}

/// The `chroot`, if HAProxy's master does not have the right to it.
pub(crate) fn forbidden_chroot(facts: &ConfigFacts, rights: &Rights, instance: &Instance) -> Option<Missing> {
    let chroot = facts.chroot.as_ref().filter(|_| !rights.can(Rights::CHROOT))?;
    (!may_chroot_without_right(instance)).then(|| Missing::ChrootRight(chroot.clone()))
}

/// Whether HAProxy may `chroot` without the right. True if its version is not known.
fn may_chroot_without_right(instance: &Instance) -> bool {
    next_version(instance).is_none_or(Version::chroots_unprivileged)
}
