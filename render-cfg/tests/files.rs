//! Writing the output: completely or not at all, with its mode, its owner and its symlinks kept.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use support::{Bed, SERVERS, in_own_mounts};

fn bed() -> Bed {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", &[]);
    bed
}

#[test]
fn a_new_file_is_readable_by_all_and_only_the_lock_is_left() {
    let bed = bed();
    bed.render(&[]).quietly();
    assert_eq!(fs::metadata(bed.path("out")).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::metadata(bed.path(".out.lock")).unwrap().mode() & 0o7777, 0o600);
    assert!(bed.leftovers().is_empty());
}

#[test]
fn mode_and_owner_are_kept() {
    let bed = bed();
    bed.write("out", "old");
    fs::set_permissions(bed.path("out"), PermissionsExt::from_mode(0o640)).unwrap();
    let is_root = chown(bed.path("out"), Some(12), Some(34)).is_ok();
    bed.render(&[]).quietly();
    let now = fs::metadata(bed.path("out")).unwrap();
    assert_eq!(now.mode() & 0o7777, 0o640);
    if is_root {
        assert_eq!((now.uid(), now.gid()), (12, 34));
    } else {
        support::skip("only root can give files away");
    }
}

#[test]
fn equal_bytes_are_not_written_and_not_checked_again() {
    let bed = bed();
    bed.render(&[]).quietly();
    let before = fs::metadata(bed.path("out")).unwrap();
    bed.render(&["--check", "false {}"]).quietly();
    let after = fs::metadata(bed.path("out")).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn a_symlink_is_followed_and_remains() {
    let bed = bed();
    fs::create_dir(bed.path("etc")).unwrap();
    symlink("etc/real.cfg", bed.path("out")).unwrap();
    bed.render(&[]).quietly();
    assert!(bed.path("out").is_symlink());
    assert_eq!(bed.read("etc/real.cfg"), "server s1 10.0.0.1\n");
    assert_eq!(support::names(&bed.path("etc")), [".real.cfg.lock", "real.cfg"]);
}

#[test]
fn only_a_regular_file_is_replaced() {
    let bed = bed();
    let ran = bed.run(&["--output", "nodes"]).ends(4);
    assert_eq!(ran.err, "render-cfg: cannot replace 'nodes': it is a directory, not a regular file\n");
    assert!(bed.run(&["--output", "none/out"]).ends(4).err.contains("the directory 'none' does not exist"));
}

#[test]
fn no_lock_is_left_beside_a_file_that_cannot_be_replaced() {
    let bed = bed();
    let script = "mount -t tmpfs none mnt; mknod mnt/null c 1 3; code=0
        $R --template t.tera --output mnt/null || code=$?; ls -A mnt; exit $code";
    if let Some(ran) = in_own_mounts(&bed, script) {
        assert_eq!(ran.ends(4).out, "null\n");
    }
    assert!(Command::new("mkfifo").arg(bed.path("out")).status().unwrap().success());
    for how in [&[][..], &["--diff"]] {
        let ran = bed.render(how).ends(4);
        assert_eq!(ran.err, "render-cfg: cannot replace 'out': it is a named pipe, not a regular file\n");
    }
    assert!(!bed.path(".out.lock").exists());
}

#[test]
fn the_template_is_not_overwritten_under_any_name() {
    let bed = bed();
    symlink("t.tera", bed.path("symlink")).unwrap();
    fs::hard_link(bed.path("t.tera"), bed.path("hardlink")).unwrap();
    fs::hard_link(bed.path("t.tera"), bed.path(".staged.tmp")).unwrap();
    for name in ["t.tera", "./nodes/../t.tera", "symlink", "hardlink", "staged"] {
        for more in [&[][..], &["--dry-run"]] {
            let ran = bed.run(&[&["--output", name], more].concat()).ends(2);
            assert_eq!(ran.err, format!("render-cfg: cannot replace '{name}': it is the template\n"));
        }
    }
    assert_eq!(bed.read("t.tera"), SERVERS);
    assert_eq!(support::names(bed.scratch.path()), [".staged.tmp", "hardlink", "nodes", "symlink", "t.tera"]);
}

#[test]
fn a_single_file_bind_mount_is_written_in_place_with_a_warning() {
    let bed = bed();
    bed.write("mounted", "a much longer text than the one that comes\n");
    bed.write("out", "");
    let script = "mount --bind mounted out
        $R --template t.tera --output out --check 'grep -q s1 {}'
        $R --template t.tera --output out; cat out";
    let Some(ran) = in_own_mounts(&bed, script) else { return };
    let ran = ran.ends(0);
    assert_eq!(ran.out, "server s1 10.0.0.1\n");
    assert_eq!(
        ran.err,
        "render-cfg: wrote 'out' in place: it is a mount point, so a reader may see an incomplete file\n"
    );
    assert_eq!(bed.read("mounted"), "server s1 10.0.0.1\n");
}

#[test]
fn on_a_full_disk_the_old_file_is_kept() {
    let bed = bed();
    for i in 0..400 {
        bed.node(&format!("n{i}"), "10.0.0.2", &[]);
    }
    let script = "mount -t tmpfs -o size=32k none mnt; echo old >mnt/out
        head -c 24k /dev/zero >mnt/filler; code=0
        $R --template t.tera --output mnt/out || code=$?
        cat mnt/out; ls -A mnt; exit $code";
    let Some(ran) = in_own_mounts(&bed, script) else { return };
    let ran = ran.ends(4);
    assert_eq!(ran.err, "render-cfg: cannot write 'mnt/out': No space left on device (os error 28)\n");
    assert_eq!(ran.out, "old\n.out.lock\nfiller\nout\n");
}

#[test]
fn a_bind_mount_on_a_full_disk_gets_its_old_text_back() {
    let bed = bed();
    for i in 0..900 {
        bed.node(&format!("n{i}"), "10.0.0.2", &[]);
    }
    bed.write("out", "");
    let script = "mount -t tmpfs -o size=16k none mnt; seq 2000 | head -c 8000 >mnt/cfg
        head -c 4k /dev/zero >mnt/filler; cp mnt/cfg before; mount --bind mnt/cfg out; code=0
        $R --template t.tera --output out || code=$?
        cmp out before && echo same; exit $code";
    let Some(ran) = in_own_mounts(&bed, script) else { return };
    let ran = ran.ends(4);
    assert_eq!(ran.out, "same\n");
    assert_eq!(ran.err, "render-cfg: cannot write 'out': No space left on device (os error 28)\n");
}

#[test]
fn a_read_only_disk_is_a_file_system_error() {
    let bed = bed();
    let script = "mount -t tmpfs none mnt; echo old >mnt/out; mount -o remount,ro mnt
        $R --template t.tera --output mnt/out --diff; $R --template t.tera --output mnt/out";
    let Some(ran) = in_own_mounts(&bed, script) else { return };
    let ran = ran.ends(4);
    assert!(ran.out.contains("-old\n+server s1"), "{}", ran.out);
    assert!(ran.err.contains("Read-only file system"), "{}", ran.err);
}

#[test]
fn killed_at_any_moment_the_file_is_the_old_or_the_new_one_and_the_next_run_finishes() {
    let bed = Bed::new(&format!("{SERVERS}# {{{{ vars.v }}}}\n"));
    for i in 0..300 {
        bed.node(&format!("n{i}"), "10.0.0.2", &[]);
    }
    let texts: Vec<String> = ["1", "2"].map(|v| bed.run(&["--set", &format!("v={v}")]).quietly()).to_vec();
    bed.write("out", &texts[0]);
    for moment in 0..120 {
        let v = format!("v={}", 1 + moment % 2);
        let mut command = bed.command(&["--output", "out", "--set", &v, "--check", "true {}"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(150 * moment));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(texts.contains(&bed.read("out")), "an incomplete file after {moment}");
    }
    bed.render(&["--set", "v=1"]).quietly();
    bed.render(&["--set", "v=2"]).quietly();
    assert_eq!(bed.read("out"), texts[1]);
    assert!(bed.leftovers().is_empty(), "{:?}", bed.leftovers());
}

#[test]
fn of_twenty_runs_at_once_the_result_contains_every_node() {
    let bed = Bed::new(SERVERS);
    for round in 0..5 {
        let start = |i| {
            bed.node(&format!("r{round}n{i}"), "10.0.0.2", &[]);
            bed.command(&["--output", "out", "--check", "true {}"]).spawn().unwrap()
        };
        let children: Vec<_> = (0..20).map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(bed.read("out").lines().count(), 20 * (round + 1));
    }
    assert!(bed.leftovers().is_empty());
}

#[test]
fn a_lock_that_is_held_for_too_long_is_exit_code_7() {
    let bed = bed();
    bed.write("out", "old");
    bed.write(".out.lock", "");
    let lock = fs::OpenOptions::new().write(true).open(bed.path(".out.lock")).unwrap();
    let held = common::lock::exclusive(lock, Duration::ZERO).unwrap();
    let ran = bed.render(&["--lock-timeout", "50ms"]).ends(7);
    assert_eq!(
        ran.err,
        "render-cfg: cannot lock 'out': another run has held it for 50ms; see --lock-timeout\n"
    );
    drop(held);
    bed.render(&["--lock-timeout", "0ms"]).quietly();
}

/// reload-haproxy sets the time of a file that it puts back to that of the file that HAProxy rejected.
#[test]
fn an_equal_text_that_was_put_back_is_written_again_once() {
    let bed = bed();
    let inode = || fs::metadata(bed.path("out")).unwrap().ino();
    bed.render(&[]).quietly();
    bed.write("out.refused", "what HAProxy rejected\n");
    let set_time = |name: &str, time| fs::File::open(bed.path(name)).unwrap().set_modified(time).unwrap();
    let earlier = SystemTime::now() - Duration::from_secs(60);
    set_time("out.refused", earlier);
    let before = inode();
    bed.render(&[]).quietly();
    assert_eq!(inode(), before);
    set_time("out", earlier);
    bed.render(&[]).quietly();
    let after = inode();
    assert_ne!(after, before);
    bed.render(&[]).quietly();
    assert_eq!(inode(), after);
    assert_eq!(bed.read("out.refused"), "what HAProxy rejected\n");
}
