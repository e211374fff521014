//! The package, built once for all tests of this file, and unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::run::programs;

/// The programs of the package that have a command line.
pub(crate) const PROGRAMS: [&str; 7] = [
    "member-join",
    "member-leave",
    "render-cfg",
    "reload-haproxy",
    "autoscale",
    "autoscale-apply",
    "rollcall-setup",
];

/// The package.
pub(crate) struct Built {
    pub(crate) deb: PathBuf,
    /// Where it is unpacked.
    pub(crate) root: PathBuf,
    /// The programs without their symbols, which are packaged in less time.
    pub(crate) programs: PathBuf,
}

/// The package; `None` if a tool is missing, which is reported.
pub(crate) fn package() -> Option<&'static Built> {
    static BUILT: OnceLock<Option<Built>> = OnceLock::new();
    BUILT.get_or_init(|| programs::are_here(&["dpkg-deb", "dpkg-shlibdeps", "strip"]).then(build)).as_ref()
}

fn build() -> Built {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let _ = fs::remove_dir_all(&place);
    let deb = package_into(&place.join("first"), &programs::bin_dir().unwrap(), &[]);
    let root = place.join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&root));
    let programs = place.join("programs");
    run(Command::new("cp").arg("-R").arg(root.join("usr/bin")).arg(&programs));
    run(Command::new("cp").arg(programs::bin_dir().unwrap().join("manuals")).arg(&programs));
    Built { deb, root, programs }
}

/// Runs scripts/package with these programs and more variables; returns the path that it prints.
pub(crate) fn package_into(directory: &Path, programs: &Path, variables: &[(&str, &str)]) -> PathBuf {
    let mut command = Command::new(harness::run::programs::shipped("scripts/package"));
    command.arg("--programs").arg(programs).arg(directory);
    // The size does not matter here.
    command.env("DPKG_DEB_COMPRESSOR_LEVEL", "0").env("SOURCE_DATE_EPOCH", "1700000000");
    command.envs(variables.iter().copied());
    PathBuf::from(run(&mut command).trim_end())
}

/// Runs a command that must succeed; returns its stdout.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{stderr}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

impl Built {
    /// A file of the package, uncompressed.
    pub(crate) fn text(&self, path: &str) -> String {
        let path = self.root.join(path);
        if path.extension().is_some_and(|extension| extension == "gz") {
            return run(Command::new("gzip").arg("-dc").arg(path));
        }
        fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
    }

    /// The long options that the `--help` of a program names, without their dashes, sorted.
    pub(crate) fn options(&self, program: &str) -> Vec<String> {
        let directory = if program == "rollcall-setup" { "usr/sbin" } else { "usr/bin" };
        let help = run(Command::new(self.root.join(directory).join(program)).arg("--help"));
        let usage_only = program == "rollcall-setup";
        let lines = help.lines().filter(|line| usage_only || line.trim_start().starts_with('-'));
        let words = lines.flat_map(|line| line.split(|c: char| !(c.is_ascii_lowercase() || c == '-')));
        // In a line of clap's help, the first is the option, and others are in its description.
        let mut options: Vec<String> =
            words.filter_map(|word| word.strip_prefix("--")).map(ToOwned::to_owned).collect();
        options.sort();
        options.dedup();
        options
    }
}
