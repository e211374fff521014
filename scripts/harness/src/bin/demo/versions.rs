//! The first line: the versions of everything that the demo runs, for a report of what it did.

use std::fs;
use std::process::Command;

use harness::Result;
use harness::run::programs;

use crate::table::print;

/// Prints the versions of Rollcall, of the programs that it starts, and of the system.
pub fn announce() -> Result<()> {
    let programs = programs::SYSTEM.map(|program| format!("{program} {}", version(program)));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    print(&format!(
        "rollcall {}, {}, {}, Linux {}",
        env!("CARGO_PKG_VERSION"),
        programs.join(", "),
        system(),
        kernel.trim()
    ))
}

/// The package's version, or else what the program prints: every Serf from 0.8.2 on calls itself 0.8.2-dev.
fn version(program: &str) -> String {
    let found = programs::find(program).unwrap_or_default();
    let path = fs::canonicalize(&found).unwrap_or(found);
    let package = || said(Command::new("dpkg-query").arg("--search").arg(&path));
    let packaged = package().and_then(|line| {
        let (name, _) = line.split_once(':')?;
        said(Command::new("dpkg-query").args(["--show", "--showformat=${Version}\\n", name]))
    });
    let printed = || said(Command::new(&path).arg("-v"));
    let version = packaged.or_else(printed).unwrap_or_else(|| "unknown".to_owned());
    let version = version.strip_prefix("HAProxy version ").unwrap_or(&version);
    version.split(' ').next().unwrap_or_default().to_owned()
}

/// `Debian 12.11`, or another system's name for itself.
fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| release.lines().find_map(|line| line.strip_prefix(key));
    match fs::read_to_string("/etc/debian_version") {
        Ok(version) if value("ID=") == Some("debian") => format!("Debian {}", version.trim()),
        _ => value("PRETTY_NAME=").unwrap_or("unknown system").trim_matches('"').to_owned(),
    }
}

/// The first line that a command prints; nothing if it fails.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}
