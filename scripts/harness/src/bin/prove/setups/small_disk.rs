//! A small file system whose free space can be set exactly.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use harness::{Result, system};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const PAGE: usize = 4096;
const OPTIONS: &str = "size=1m,nr_inodes=300,mode=755";
const FILLER: &str = "filler";

/// The resource that is scarce.
#[derive(Clone, Copy)]
pub enum Scarce {
    /// Space.
    Pages,
    /// Inodes.
    Files,
}

impl fmt::Display for Scarce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scarce::Pages => "pages",
            Scarce::Files => "files",
        })
    }
}

/// The file system. It is unmounted when dropped, and in any case goes away with its mount namespace.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts an empty one over a directory, which is created if missing.
    pub fn mount(path: &Path) -> Result<SmallDisk> {
        fs::create_dir_all(path).map_err(system("make", path.display()))?;
        let flags = MsFlags::empty();
        mount(Some("rollcall"), path, Some("tmpfs"), flags, Some(OPTIONS)).map_err(refused("mount", path))?;
        Ok(SmallDisk { path: path.to_owned() })
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Leaves room for this many more pages or files.
    pub fn fill(&mut self, scarce: Scarce, left: usize) -> Result<()> {
        let filler = self.join(FILLER);
        fs::create_dir(&filler).map_err(system("make", filler.display()))?;
        match scarce {
            Scarce::Pages => fill_pages(&filler.join("0"), left).map_err(system("fill", self.path.display())),
            Scarce::Files => fill_files(&filler, left).map_err(system("fill", self.path.display())),
        }
    }

    /// Frees the space again.
    pub fn free(&mut self) -> Result<()> {
        let filler = self.join(FILLER);
        fs::remove_dir_all(&filler).map_err(system("remove", filler.display()))
    }

    /// Remounts it, read-only or not.
    pub fn set_read_only(&mut self, is_read_only: bool) -> Result<()> {
        let read_only = if is_read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        let made =
            mount(None::<&str>, &self.path, None::<&str>, MsFlags::MS_REMOUNT | read_only, None::<&str>);
        made.map_err(refused("remount", &self.path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // If this fails, the mount goes away with its namespace.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}

fn fill_pages(path: &Path, left: usize) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut pages = 0;
    while file.write_all(&[1; PAGE]).is_ok() {
        pages += 1;
    }
    file.set_len((pages - left.min(pages)) as u64 * PAGE as u64)
}

fn fill_files(directory: &Path, left: usize) -> std::io::Result<()> {
    let path = |number: usize| directory.join(number.to_string());
    let make = |number: &usize| OpenOptions::new().write(true).create_new(true).open(path(*number)).is_ok();
    let made = (0..).take_while(make).count();
    (made.saturating_sub(left)..made).try_for_each(|number| fs::remove_file(path(number)))
}

fn refused(verb: &'static str, path: &Path) -> impl FnOnce(nix::errno::Errno) -> harness::Error {
    let object = path.display().to_string();
    move |errno| harness::Error::System { verb, object, err: errno.into() }
}
