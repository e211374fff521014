//! Finds prerequisites of a configuration that are missing, so that HAProxy would certainly fail to start:
//! limits, rights, directories and names that `haproxy -c` does not check.
//!
//! Up to 3.0 a forbidden `user` or `group` ends the whole HAProxy, and on 3.2 a pid file that
//! cannot be written ends its master. A wrong refusal would block a good file for ever, so an uncertain case
//! passes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::facts::ConfigFacts;
use crate::config::requirements::Needs;
use crate::haproxy::instance::Instance;
use crate::haproxy::privileges::Rights;
use crate::haproxy::process::Process;
use crate::haproxy::program::next_version;
use crate::haproxy::version::Version;
use crate::reload::missing::Missing;
use crate::reload::preflight_chroot::forbidden_chroot;

/// The first missing prerequisite.
pub(crate) fn missing(facts: &ConfigFacts, instance: &Instance) -> Option<Missing> {
    let main = instance.main.as_ref()?;
    // With several files, one may override another.
    let is_whole = main.files().len() == 1 && main.files().iter().all(|file| !file.is_dir());
    if !is_whole {
        return None;
    }
    let needs = &facts.needs;
    // The new worker is started by the master, or by this program.
    let rights = if instance.is_master { Rights::of(&main.pid.to_string()) } else { Rights::of("self") };
    too_few_files(needs, instance, main, rights.as_ref())
        .or_else(|| {
            let rights = rights.filter(|_| instance.is_master)?;
            missing_right(facts, &rights, main).or_else(|| forbidden_chroot(facts, &rights, instance))
        })
        .or_else(|| missing_place(facts, main))
        .or_else(|| held_name(needs, main, instance))
}

/// Too few open files.
fn too_few_files(
    needs: &Needs,
    instance: &Instance,
    main: &Process,
    rights: Option<&Rights>,
) -> Option<Missing> {
    let rights = rights.filter(|_| !needs.is_lenient && main.option("-n").is_empty())?;
    let own = rights.files?;
    let most = if rights.can(Rights::RESOURCE) { files_of_any_process()? } else { own };
    // Since 2.3 too few files are an error.
    let missing = too_many_files(needs, own, most)?;
    next_version(instance).is_some_and(Version::is_strict).then_some(missing)
}

/// HAProxy asks for `ulimit-n` files, or for as many as `maxconn` needs, and needs no more than it gets. It
/// has `own` and can ask for `most`.
fn too_many_files(needs: &Needs, own: u64, most: u64) -> Option<Missing> {
    let most = needs.most_files.map_or(most, |(_, limit)| limit.min(most));
    let asked = needs.files.map(|(line, files)| (line, "ulimit-n", files, files, most));
    let taken = needs.connections.map(|(line, number)| {
        let most = needs.files.map_or(most, |(_, files)| files.max(own));
        (line, "maxconn", number, number.saturating_mul(2), most)
    });
    let (line, keyword, number, wanted, most) =
        [asked, taken].into_iter().flatten().find(|(.., wanted, most)| wanted > most)?;
    Some(Missing::Files { line, keyword, number, wanted, most })
}

fn files_of_any_process() -> Option<u64> {
    fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()
}

/// A user or a group that its master may not give to a worker.
fn missing_right(facts: &ConfigFacts, rights: &Rights, main: &Process) -> Option<Missing> {
    let knows_names = main.shares("mnt");
    let uid = |name: &str| id_in("/etc/passwd", name);
    let gid = |name: &str| id_in("/etc/group", name);
    let denied = |name: &str, known: Option<u32>, own: &[u32]| {
        let id = name.parse().ok().or(known.filter(|_| knows_names))?;
        (id != 0 && !own.contains(&id)).then_some(())
    };
    let user =
        facts.needs.user.as_ref().filter(|(_, name)| {
            !rights.can(Rights::SETUID) && denied(name, uid(name), &rights.users).is_some()
        });
    let group =
        facts.needs.group.as_ref().filter(|(_, name)| {
            !rights.can(Rights::SETGID) && denied(name, gid(name), &rights.groups).is_some()
        });
    let right =
        |kind, (line, name): &(usize, String)| Missing::Right { line: *line, kind, name: name.clone() };
    user.map(|user| right("user", user)).or_else(|| group.map(|group| right("group", group)))
}

/// The number in the line of a user or a group, `NAME:x:NUMBER:...`. getpwnam would know those of other sources too
/// (sssd), but with a source that the linked-in glibc does not have, it ends a static program with a signal.
fn id_in(file: &str, name: &str) -> Option<u32> {
    let text = fs::read(file).ok()?;
    let number = |line: &str| {
        let mut fields = line.split(':');
        let is_its = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_its)?.parse().ok()
    };
    String::from_utf8_lossy(&text).lines().find_map(number)
}

/// A socket or a pid file without a directory.
fn missing_place(facts: &ConfigFacts, main: &Process) -> Option<Missing> {
    let needs = &facts.needs;
    let prefixed = |path: &str| match &needs.prefix {
        Some(prefix) => PathBuf::from(format!("{prefix}/{path}")),
        None => path.into(),
    };
    let stats = facts.stats_sockets.iter().map(|socket| (socket.line, socket.path.clone()));
    let binds = needs.sockets.iter().map(|(line, path)| (*line, prefixed(path)));
    let mut sockets = stats.chain(binds);
    let pid_file = needs.pid_file.as_ref().filter(|_| main.option("-p").is_empty());
    sockets.find_map(|(line, path)| missing_directory(line, "socket", &path, main)).or_else(|| {
        let (line, path) = pid_file?;
        missing_directory(*line, "pid file", path, main)
    })
}

fn missing_directory(line: usize, kind: &'static str, path: &Path, main: &Process) -> Option<Missing> {
    if !path.is_absolute() {
        return None;
    }
    let place = main.place(path)?;
    let path = path.to_owned();
    if !place.parent()?.is_dir() {
        return Some(Missing::Directory { line, kind, path });
    }
    place.is_dir().then_some(Missing::IsDirectory { line, kind, path })
}

/// An abstract name that another program holds.
fn held_name(needs: &Needs, main: &Process, instance: &Instance) -> Option<Missing> {
    if needs.names.is_empty() {
        return None;
    }
    let table = fs::read_to_string(format!("/proc/{}/net/unix", main.pid)).ok()?;
    let mut own = Vec::new();
    for pid in instance.workers().into_iter().chain([main.pid]) {
        own.extend(inodes(pid)?);
    }
    let held = |name: &str| holder(&table, name).is_some_and(|inode| !own.contains(&inode));
    let (line, name) = needs.names.iter().find(|(_, name)| held(name))?;
    Some(Missing::Name { line: *line, name: name.trim_end_matches('@').to_owned() })
}

/// The inode of the socket that listens at an abstract name: `ADDRESS: REFS PROTOCOL FLAGS TYPE STATE INODE
/// PATH` (proc(5)). A path with white space is none of ours.
fn holder(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, _, _, _, _, _, inode, path] = fields[..] else { return None };
        if path == name { inode.parse().ok() } else { None }
    })
}

/// The sockets that a process has open; `None` if this user may not see them.
fn inodes(pid: i32) -> Option<Vec<u64>> {
    let files = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        files => files.ok()?.flatten(),
    };
    let inode = |link: PathBuf| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    Some(files.filter_map(|file| inode(fs::read_link(file.path()).ok()?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::facts::facts;

    #[test]
    fn too_many_files_are_seen_as_haproxy_counts_them() {
        let needs = |global: &str| facts(&format!("global\n {global}\n")).needs;
        let seen = |global| too_many_files(&needs(global), 20_000, 20_000);
        let missing = seen("maxconn 20000").unwrap().to_string();
        assert_eq!(missing, "line 2: maxconn 20000 needs 40000 open files, and HAProxy may have 20000");
        assert_eq!(seen("maxconn 9000"), None);
        assert!(seen("ulimit-n 30000\n maxconn 10").is_some());
        // A lower `ulimit-n` does not lower the limit.
        assert_eq!(seen("ulimit-n 100\n maxconn 9000"), None);
        assert!(seen("ulimit-n 100\n maxconn 20000").is_some());
        assert!(seen("fd-hard-limit 100\n maxconn 1000").is_some());
        // root may raise its limit, and HAProxy raises it as far as `ulimit-n`.
        assert_eq!(too_many_files(&needs("maxconn 20000"), 20_000, 1 << 20), None);
        assert!(too_many_files(&needs("ulimit-n 30000\n maxconn 20000"), 20_000, 1 << 20).is_some());
        assert_eq!(too_many_files(&needs("ulimit-n 50000\n maxconn 20000"), 20_000, 1 << 20), None);
    }

    #[test]
    fn users_and_groups_are_found_in_their_files() {
        assert_eq!(id_in("/etc/passwd", "root"), Some(0));
        assert_eq!(id_in("/etc/group", "root"), Some(0));
        for unknown in ["", "roo", "root:x", "x"] {
            assert_eq!(id_in("/etc/passwd", unknown), None, "{unknown}");
        }
        assert_eq!(id_in("/etc/missing", "root"), None);
    }

    #[test]
    fn the_holder_of_an_abstract_name_is_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000000000000000: 00000002 00000000 00010000 0001 01 12345 @name\n\
                     0000000000000000: 00000003 00000000 00000000 0001 03 12346\n";
        assert_eq!(holder(table, "@name"), Some(12345));
        assert_eq!(holder(table, "@nam"), None);
    }
}
