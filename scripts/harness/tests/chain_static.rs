//! The programs of `scripts/static`, as Alpine, Ubuntu and empty images need them: no file beside them, and BusyBox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use common::replace::replace;
use harness::cluster::local_cluster::Cluster;
use harness::run::process::code;
use harness::run::programs;

const PROGRAMS: [&str; 6] =
    ["member-join", "member-leave", "render-cfg", "reload-haproxy", "autoscale", "autoscale-apply"];
/// What the scripts call. Debian's BusyBox has no flock, Alpine's has.
const TOOLS: [&str; 9] = ["sh", "timeout", "grep", "head", "tail", "date", "mkdir", "readlink", "uname"];
/// With these, glibc may load libraries of the machine, which end a program that has another glibc linked in.
const LOADING: [&str; 5] = ["getpwnam", "getpwuid", "getgrnam", "getgrgid", "getaddrinfo"];

/// The directory of the static programs; they are built once.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(programs::shipped("scripts/static"));
        let output = build.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().into()
    })
}

/// Runs a program in a root that has only this.
fn run_in(root: &Path, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(programs::find("chroot").unwrap());
    command.arg(root).arg(format!("/{program}")).args(arguments).env_clear().stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn a_static_program_runs_in_an_empty_root() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "chroot needs root");
        eprintln!("SKIPPED: chroot needs root");
        return;
    }
    for program in PROGRAMS {
        let root = tempfile::tempdir().unwrap();
        programs::copy(&built().join(program), &root.path().join(program)).unwrap();
        let output = run_in(root.path(), program, &["--version"]);
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(version, format!("{program} {}\n", env!("CARGO_PKG_VERSION")), "{output:?}");
    }
    let root = tempfile::tempdir().unwrap();
    for program in ["member-join", "render-cfg"] {
        programs::copy(&built().join(program), &root.path().join(program)).unwrap();
    }
    let template = b"{% for node in nodes %}server {{ node.name }} {{ node.address }}\n{% endfor %}";
    replace(&root.path().join("template"), template, 0o600).unwrap();
    assert_eq!(code(&run_in(root.path(), "member-join", &["s1", "10.0.0.1"])), 0);
    let rendered = run_in(root.path(), "render-cfg", &["--template", "/template"]);
    assert_eq!(String::from_utf8_lossy(&rendered.stdout), "server s1 10.0.0.1\n", "{rendered:?}");
}

#[test]
fn a_static_program_loads_nothing_of_the_machine() {
    for program in PROGRAMS {
        let output = Command::new("nm").arg(built().join(program)).output().unwrap();
        let symbols = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
        // A program without symbols would pass.
        assert!(names.contains(&"main"), "{program}: {symbols}");
        let loading = names.iter().find(|name| LOADING.contains(&name.trim_end_matches("_r")));
        assert_eq!(loading, None, "{program}");
    }
}

#[test]
fn busybox_runs_the_scripts_with_static_programs() {
    if !programs::are_here(&["busybox"]) {
        return;
    }
    let Some(cluster) = Cluster::serving(&["s1"]).unwrap() else { return };
    let tools = tempfile::tempdir().unwrap();
    for tool in TOOLS {
        symlink(programs::find("busybox").unwrap(), tools.path().join(tool)).unwrap();
    }
    for tool in ["flock", "serf"] {
        symlink(programs::find(tool).unwrap(), tools.path().join(tool)).unwrap();
    }
    let mut reconcile = Command::new(tools.path().join("sh"));
    cluster.balancer.with_environment(&mut reconcile);
    reconcile.arg(programs::shipped("scripts/reconcile")).env("PATH", tools.path());
    let record = cluster.balancer.nodes_dir().join("s1.json");
    fs::remove_file(&record).unwrap();
    let output = reconcile.env("ROLLCALL_BIN", built()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}\n{}", cluster.balancer.log());
    assert!(output.stderr.is_empty() && record.exists(), "{output:?}\n{}", cluster.balancer.log());
}
