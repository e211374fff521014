//! What `stat` says of a file: if none of it has changed, the content is the one that was read.
//!
//! That is only true of a stamp that was settled when the file was read (compare Git's racy index). The clock of a file
//! system has a grain, so a second change within one grain gives the same times. A settled stamp is older than any grain,
//! and every later change gives a later `ctime`. No program can set `ctime`, except by setting the clock.

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::stat::FileStat;
use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
    XFS_SUPER_MAGIC, fstatfs,
};

/// How long times in nanoseconds must be over. Their grain is a tick of the kernel, at most 10 ms. The rest is for a
/// writer that was stopped between the kernel's update of the times and that of the content.
const FINE: Duration = Duration::from_secs(1);
/// How long times in whole seconds must be over. Their grain is a second, or two.
const COARSE: Duration = Duration::from_secs(3);

/// Local file systems, whose times are those of this machine's clock and are changed with the content. (EXT4 is the
/// number of ext2 and ext3, too.) A network file system has another clock, and `stat` may get an old answer there. FAT
/// has no `ctime`.
const LOCAL: [FsType; 6] = [
    BTRFS_SUPER_MAGIC,
    EXT4_SUPER_MAGIC,
    F2FS_SUPER_MAGIC,
    OVERLAYFS_SUPER_MAGIC,
    TMPFS_MAGIC,
    XFS_SUPER_MAGIC,
];

/// Whether a file is on a file system whose stamps can be relied on.
pub(super) fn is_reliable(file: impl AsFd) -> bool {
    fstatfs(file).is_ok_and(|system| LOCAL.contains(&system.filesystem_type()))
}

/// What `stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    inode: u64,
    size: i64,
    /// Seconds and nanoseconds.
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    /// The stamp in an answer of `stat`.
    pub(super) fn of(stat: &FileStat) -> Stamp {
        Stamp {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether every change after `now` gives another stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.mtime.max(self.ctime);
        // Only a file system with a coarse grain always has none. Of any other one in a billion times has none.
        let grain = if self.ctime.1 == 0 || self.mtime.1 == 0 { COARSE } else { FINE };
        let Ok(since) = now.duration_since(UNIX_EPOCH) else { return false };
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            // Before 1970.
            return false;
        };
        Duration::new(seconds, nanoseconds).checked_add(grain).is_some_and(|settled| settled < since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_settled(mtime: (i64, i64), ctime: (i64, i64), now: Duration) -> bool {
        Stamp { device: 1, inode: 2, size: 3, mtime, ctime }.is_settled(UNIX_EPOCH + now)
    }

    #[test]
    fn a_stamp_settles_after_its_grain() {
        let now = Duration::from_millis(100_500);
        for (ctime, expected) in [
            ((99, 499_000_000), true),
            ((99, 500_000_000), false),
            ((100, 500_000_000), false),
            ((97, 0), true),
            ((98, 0), false),
            ((99, 0), false),
            ((3600, 1), false),
            ((i64::MAX, 1), false),
        ] {
            assert_eq!(is_settled((50, 1), ctime, now), expected, "{ctime:?}");
        }
    }

    #[test]
    fn the_later_of_both_times_counts() {
        let now = Duration::from_secs(100);
        assert!(is_settled((98, 1), (98, 1), now));
        assert!(!is_settled((3600, 1), (98, 1), now), "it was set, to a later time");
        assert!(!is_settled((98, 0), (98, 1), now), "it was set, to a whole second");
        assert!(!is_settled((50, 1), (-5, 1), Duration::ZERO), "the clock was set");
    }
}
