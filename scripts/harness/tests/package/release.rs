//! scripts/release, in a repository of its own with the sources of this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::replace::replace;
use harness::run::process::{code, stderr};
use harness::run::programs;
use tempfile::TempDir;

use crate::built::{PROGRAMS, package, run};

/// A repository whose CHANGELOG has something to release.
struct Repository {
    directory: TempDir,
    programs: &'static Path,
}

impl Repository {
    fn new(programs: &'static Path) -> Repository {
        let repository = Repository { directory: tempfile::tempdir().unwrap(), programs };
        let from = programs::root();
        let script = r#"
            cd "$1"
            git -c safe.directory="$1" ls-files -z --cached --others --exclude-standard |
                xargs -0 sh -c 'for file; do [ ! -e "$file" ] || echo "$file"; done' sh | tar -c -T - | tar -x -C "$2"
            cd "$2"
            sed '/^## /,$d' CHANGELOG.md >new
            printf '## Unreleased\n\n- One more option.\n\n' >>new
            sed -n '/^## /,$p' CHANGELOG.md >>new
            mv new CHANGELOG.md
            git init --quiet
            git config user.name Tester
            git config user.email tester@example.net
            git add --all
            git commit --quiet -m first"#;
        run(Command::new("sh").args(["-euc", script, "sh"]).arg(from).arg(repository.path()));
        repository
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn release(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path().join("scripts/release"));
        command.args(arguments).arg("--programs").arg(self.programs);
        // The user of the machine may have a name, and hooks.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.env("DPKG_DEB_COMPRESSOR_LEVEL", "0").output().unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        run(Command::new("git").arg("-C").arg(self.path()).args(arguments))
    }

    /// Makes the package of the last commit, and finds its checksum in a file.
    fn package_again(&self, sums: &str) {
        let mut command = Command::new(self.path().join("scripts/package"));
        command
            .arg("--programs")
            .arg(self.programs)
            .env("DPKG_DEB_COMPRESSOR_LEVEL", "0")
            .env_remove("SOURCE_DATE_EPOCH");
        let package = run(&mut command);
        let sum = run(Command::new("sha256sum").arg(package.trim_end()));
        let sums = fs::read_to_string(self.path().join(sums)).unwrap();
        assert!(sums.contains(sum.split(' ').next().unwrap()), "{sum} is not in {sums}");
    }

    /// Everything that a release may change.
    fn state(&self) -> String {
        ["status --porcelain --ignored", "rev-parse HEAD", "tag", "branch -a"]
            .map(|command| self.git(&command.split(' ').collect::<Vec<_>>()))
            .concat()
    }
}

#[test]
fn a_release_is_tried_without_a_trace_and_then_made_once() {
    let Some(built) = package().filter(|_| programs::are_here(&["git", "cargo"])) else { return };
    let repository = Repository::new(&built.programs);
    let before = repository.state();
    let tried = repository.release(&["9.8.7", "--dry-run"]);
    let printed = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert_eq!(code(&tried), 0, "{printed}{}", stderr(&tried));
    assert!(printed.contains("+version = \"9.8.7\"") && printed.contains("+## 9.8.7 - 2"), "{printed}");
    assert_eq!(repository.state(), before);

    let made = repository.release(&["9.8.7"]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    assert_eq!(repository.git(&["describe", "--exact-match"]), "v9.8.7\n");
    assert_eq!(
        repository.git(&["show", "--name-only", "--format=%s"]),
        "release: 9.8.7\n\nCHANGELOG.md\nCargo.lock\nCargo.toml\n"
    );
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    check_files(&repository.path().join("target/releases/9.8.7"));
    repository.package_again("target/releases/9.8.7/SHA256SUMS");
    refuses(&repository);
}

/// What is refused before anything is built, with the last line of the error.
fn refuses(repository: &Repository) {
    let refused = |version: &str, expected: i32, line: &str| {
        let output = repository.release(&[version]);
        assert_eq!(code(&output), expected, "{}", stderr(&output));
        assert!(stderr(&output).trim().ends_with(line), "{}", stderr(&output));
    };
    refused("9.8.7", 1, "release: cannot release '9.8.7': the tag v9.8.7 exists");
    refused("9.8.8", 1, "'## Unreleased' or '## 9.8.8', with at least one entry");
    refused("9.8", 2, "a version is three numbers, such as 1.2.3");
    repository.git(&["config", "user.useConfigOnly", "true"]);
    repository.git(&["config", "--unset", "user.email"]);
    refused("9.8.8", 1, "git does not know who commits; set user.name and user.email");
}

#[test]
fn a_release_that_git_refuses_to_commit_leaves_nothing() {
    let Some(built) = package().filter(|_| programs::are_here(&["git", "cargo"])) else { return };
    let repository = Repository::new(&built.programs);
    let before = repository.state();
    let hook = repository.path().join(".git/hooks/pre-commit");
    replace(&hook, b"#!/bin/sh\nexit 1\n", 0o755).unwrap();
    let output = repository.release(&["9.8.7"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("git failed, see above; everything is as before"),
        "{}",
        stderr(&output)
    );
    assert_eq!(repository.state(), before);
}

/// Checks the checksums, the package and the archive.
fn check_files(directory: &Path) {
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(directory));
    let names: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let ending = |end: &str| names.iter().find(|name| name.to_str().unwrap().ends_with(end)).unwrap();
    let version = run(Command::new("dpkg-deb").arg("-f").arg(ending(".deb")).arg("Version"));
    assert_eq!(version, "9.8.7\n");
    let listing = run(Command::new("tar").arg("-tzf").arg(ending("-static.tar.gz")));
    for program in PROGRAMS {
        let folder = if program == "rollcall-setup" { "sbin" } else { "bin" };
        assert!(listing.contains(&format!("/{folder}/{program}\n")), "{program}: {listing}");
    }
    assert!(
        listing.contains("/libexec/rollcall/serf-handler\n") && !listing.contains("/systemd/"),
        "{listing}"
    );
}
