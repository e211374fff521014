//! `--watch` where the records or the template are symlinks: every way in which what is behind them is exchanged.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use support::watcher::{EVENTS_ONLY, Watcher};
use support::{Bed, SERVERS, in_own_mounts, record, until};

/// Creates a directory with the record of s1.
fn version(bed: &Bed, directory: &str, address: &str) {
    fs::create_dir_all(bed.path(directory)).unwrap();
    bed.write(&format!("{directory}/s1.json"), &record("s1", address));
}

/// Makes `link` lead to `target`, by a rename as kubelet does it.
fn swap(bed: &Bed, link: &str, target: &str) {
    let temporary = bed.path(&format!("{link}_tmp"));
    symlink(target, &temporary).unwrap();
    fs::rename(temporary, bed.path(link)).unwrap();
}

/// A nodes directory as kubelet lays out a volume: `s1.json` -> `..data/s1.json`, `..data` -> `..1`.
fn volume() -> Bed {
    let bed = Bed::new(SERVERS);
    version(&bed, "nodes/..1", "10.0.0.1");
    symlink("..1", bed.path("nodes/..data")).unwrap();
    symlink("..data/s1.json", bed.path("nodes/s1.json")).unwrap();
    bed
}

#[track_caller]
fn wait_for(bed: &Bed, address: &str) {
    let line = format!("server s1 {address}\n");
    until(&line, || (fs::read_to_string(bed.path("out")).ok()? == line).then_some(()));
}

fn watch(bed: &Bed) -> Watcher<'_> {
    let watcher = bed.watch(&EVENTS_ONLY);
    wait_for(bed, "10.0.0.1");
    watcher
}

#[test]
fn a_volume_of_kubernetes_that_is_swapped_again_and_again_is_rendered_each_time() {
    let bed = volume();
    let watcher = watch(&bed);
    for i in 2..6 {
        version(&bed, &format!("nodes/..{i}"), &format!("10.0.0.{i}"));
        swap(&bed, "nodes/..data", &format!("..{i}"));
        fs::remove_dir_all(bed.path(&format!("nodes/..{}", i - 1))).unwrap();
        wait_for(&bed, &format!("10.0.0.{i}"));
    }
    watcher.end();
}

#[test]
fn a_record_that_joins_or_leaves_a_volume_is_rendered() {
    let bed = volume();
    let watcher = watch(&bed);
    version(&bed, "nodes/..2", "10.0.0.1");
    bed.write("nodes/..2/s2.json", &record("s2", "10.0.0.2"));
    swap(&bed, "nodes/..data", "..2");
    symlink("..data/s2.json", bed.path("nodes/s2.json")).unwrap();
    bed.wait_for_nodes(&["s1", "s2"]);
    // The new record is watched, too.
    bed.write("nodes/..2/s2.json", &record("s2", "10.0.0.3"));
    until("the new address of s2", || bed.read("out").contains("10.0.0.3").then_some(()));
    fs::remove_file(bed.path("nodes/s1.json")).unwrap();
    bed.wait_for_nodes(&["s2"]);
    watcher.end();
}

#[test]
fn a_template_in_a_volume_that_is_swapped_is_rendered() {
    let bed = volume();
    for i in [1, 2] {
        fs::create_dir_all(bed.path(&format!("tpl/..{i}"))).unwrap();
        bed.write(&format!("tpl/..{i}/t.tera"), &format!("template {i}\n"));
    }
    symlink("..1", bed.path("tpl/..data")).unwrap();
    symlink("..data/t.tera", bed.path("tpl/t.tera")).unwrap();
    swap(&bed, "t.tera", "tpl/t.tera");
    let _watcher = bed.watch(&EVENTS_ONLY);
    for i in [1, 2] {
        swap(&bed, "tpl/..data", &format!("..{i}"));
        let text = format!("template {i}\n");
        until(&text, || (fs::read_to_string(bed.path("out")).ok()? == text).then_some(()));
    }
}

#[test]
fn a_record_behind_links_is_rendered_however_it_is_exchanged() {
    let bed = Bed::new(SERVERS);
    version(&bed, "far/one", "10.0.0.1");
    symlink(bed.path("far/one"), bed.path("far/current")).unwrap();
    symlink("far/current/s1.json", bed.path("chain")).unwrap();
    symlink("../chain", bed.path("nodes/s1.json")).unwrap();
    let watcher = watch(&bed);
    // Replaced by a rename, and written in place.
    version(&bed, "far/one", "10.0.0.2");
    wait_for(&bed, "10.0.0.2");
    let mut file =
        fs::OpenOptions::new().write(true).truncate(true).open(bed.path("far/one/s1.json")).unwrap();
    std::io::Write::write_all(&mut file, record("s1", "10.0.0.3").as_bytes()).unwrap();
    drop(file);
    wait_for(&bed, "10.0.0.3");
    // A link in the middle is swapped, then the directory itself.
    version(&bed, "far/two", "10.0.0.4");
    swap(&bed, "far/current", "two");
    wait_for(&bed, "10.0.0.4");
    version(&bed, "far/three", "10.0.0.5");
    fs::rename(bed.path("far/two"), bed.path("far/old")).unwrap();
    fs::rename(bed.path("far/three"), bed.path("far/two")).unwrap();
    wait_for(&bed, "10.0.0.5");
    // A directory above it goes and comes back.
    fs::rename(bed.path("far"), bed.path("away")).unwrap();
    version(&bed, "new/two", "10.0.0.6");
    symlink("two", bed.path("new/current")).unwrap();
    fs::rename(bed.path("new"), bed.path("far")).unwrap();
    wait_for(&bed, "10.0.0.6");
    // The first link, and at last a plain file in its place.
    version(&bed, "other", "10.0.0.7");
    swap(&bed, "chain", "other/s1.json");
    wait_for(&bed, "10.0.0.7");
    bed.node("s1", "10.0.0.8", &[]);
    wait_for(&bed, "10.0.0.8");
    watcher.end();
}

#[test]
fn a_plain_record_that_becomes_a_link_is_followed() {
    let bed = Bed::new(SERVERS);
    bed.node("s1", "10.0.0.1", &[]);
    let watcher = watch(&bed);
    version(&bed, "far", "10.0.0.2");
    swap(&bed, "nodes/s1.json", "../far/s1.json");
    wait_for(&bed, "10.0.0.2");
    version(&bed, "far", "10.0.0.3");
    wait_for(&bed, "10.0.0.3");
    watcher.end();
}

#[test]
fn a_record_whose_link_leads_nowhere_is_rendered_once_its_file_appears() {
    let bed = Bed::new(SERVERS);
    symlink("../later/s1.json", bed.path("nodes/s1.json")).unwrap();
    let watcher = bed.watch(&EVENTS_ONLY);
    watcher.wait_for("out'");
    version(&bed, "later", "10.0.0.1");
    wait_for(&bed, "10.0.0.1");
    watcher.end();
}

#[test]
fn a_mount_over_the_directory_behind_a_link_is_rendered() {
    let bed = volume();
    version(&bed, "beside", "10.0.0.2");
    let script = "$R --template t.tera --output out --watch --look-every 1h & P=$!
        until_() { n=0; until grep -qs \"$1\" out; do n=$((n + 1)); sleep 0.05
            [ $n -lt 400 ] || { kill $P; exit 9; }; done; }
        until_ 10.0.0.1; mount --bind beside nodes/..1; until_ 10.0.0.2
        umount nodes/..1; until_ 10.0.0.1; kill $P; wait $P";
    if let Some(ran) = in_own_mounts(&bed, script) {
        ran.quietly();
    }
}
