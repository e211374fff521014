//! What is in the package, with which rights, and whether Debian's checker has anything to say.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use harness::run::programs;

use crate::built::{package, package_into, run};

#[test]
fn two_builds_give_equal_bytes() {
    let Some(built) = package() else { return };
    let other = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package/second");
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let variables = [("TZ", "Pacific/Auckland"), ("LC_ALL", "C.UTF-8"), ("HOME", home)];
    let second = package_into(&other, &built.programs, &variables);
    assert_eq!(built.deb.file_name(), second.file_name());
    assert!(fs::read(&built.deb).unwrap() == fs::read(&second).unwrap(), "the packages differ");
}

#[test]
fn lintian_finds_no_error_and_no_warning() {
    let Some(built) = package().filter(|_| programs::are_here(&["lintian"])) else { return };
    // It leaves files there.
    let temporary = tempfile::tempdir().unwrap();
    let mut lintian = Command::new("lintian");
    lintian.env("TMPDIR", temporary.path());
    let found = run(lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(&built.deb));
    assert_eq!(found, "", "lintian");
}

#[test]
fn only_root_reads_the_settings_and_only_root_owns_files() {
    let Some(built) = package() else { return };
    let mode = fs::metadata(built.root.join("etc/default/rollcall")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let listing = run(Command::new("dpkg-deb").arg("-c").arg(&built.deb));
    for line in listing.lines() {
        let (mode, rest) = line.split_once(' ').unwrap();
        assert!(rest.starts_with("root/root "), "{line}");
        assert!(mode[1..].chars().all(|c| "rwx-".contains(c)), "a set-id bit: {line}");
        assert_eq!(&mode[5..6], "-", "the group may write: {line}");
        assert_eq!(&mode[8..9], "-", "everybody may write: {line}");
    }
    let conffiles = run(Command::new("dpkg-deb").arg("-I").arg(&built.deb).arg("conffiles"));
    assert_eq!(
        conffiles,
        "/etc/default/rollcall\n/etc/logrotate.d/rollcall\n/etc/rollcall/haproxy.cfg.tera\n"
    );
}

#[test]
fn the_scripts_of_the_package_find_each_other_and_the_programs() {
    let Some(built) = package() else { return };
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(built.root.join("usr/libexec/rollcall/reconcile"))
        .arg("nonsense")
        .env("ROLLCALL_BIN", built.root.join("usr/bin"))
        .env("ROLLCALL_CONFIG", place.path().join("haproxy.cfg"))
        .env("ROLLCALL_STATE_DIR", place.path().join("state"))
        .env("ROLLCALL_LOG", place.path().join("log"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("called wrongly: 'nonsense' is not an event"), "{stderr}");
    for script in ["serf-handler", "watch", "autoscale-run"] {
        let path = built.root.join("usr/libexec/rollcall").join(script);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o755, "{script}");
    }
}

/// The settings of docs/settings.md, with their defaults. A default that is not a value, such as the host's name, is
/// empty.
fn documented() -> BTreeMap<String, String> {
    let text = fs::read_to_string(programs::shipped("docs/settings.md")).unwrap();
    let mut settings = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, names, default, ..] = cells[..] else { continue };
        let value = default.strip_prefix('`').and_then(|rest| rest.split('`').next()).unwrap_or_default();
        for name in names.split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`')) {
            settings.insert(name.to_owned(), value.to_owned());
        }
    }
    settings
}

#[test]
fn the_default_file_has_every_setting_with_its_default() {
    let Some(built) = package() else { return };
    let text = built.text("etc/default/rollcall");
    let mut shown = BTreeMap::new();
    let mut set = Vec::new();
    for line in text.lines() {
        let assignment = line.strip_prefix('#').unwrap_or(line);
        let Some((name, value)) = assignment.split_once('=') else { continue };
        if name.contains(' ') {
            continue;
        }
        if !line.starts_with('#') {
            set.push(line);
        }
        let value = value.trim_matches('"').replace("/usr/libexec/rollcall/", "");
        assert_eq!(shown.insert(name.to_owned(), value), None, "{name} is there twice");
    }
    // The package has no directory /nodes.
    assert_eq!(set, ["NODES_DIR=/var/lib/rollcall/nodes"]);
    shown.insert("NODES_DIR".to_owned(), "/nodes".to_owned());
    assert_eq!(shown, documented());
    assert!(shown.len() > 20, "{shown:?}");
}
