//! Programs from package registries that render templates on a command line, and render-cfg in three variants.
//!
//! `scripts/bench.d/install-others` installs them in `target/others`. A program that is missing is listed in the
//! table with dashes for its figures.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::run::programs;
use harness::{Error, Result};

use crate::measures::others::dialect::{Dialect, Subject};
use crate::results::timed_run::TimedRun;

/// How many of the renderers are variants of render-cfg.
pub const OURS: usize = 3;

/// A renderer.
pub struct Renderer {
    /// Name and version.
    pub name: String,
    /// Whether it is render-cfg.
    pub is_ours: bool,
    /// Whether it writes to a file instead of stdout.
    pub writes: bool,
    /// The command; `None` if it is not installed.
    pub step: Option<TimedRun>,
}

/// A program of another project.
struct Other {
    name: &'static str,
    program: &'static str,
    /// The first directory to search for it, below `target/others`.
    directory: &'static str,
    dialect: Dialect,
    /// The arguments; `TEMPLATE` and `DATA` are replaced by the paths of the files.
    arguments: &'static [&'static str],
}

const OTHERS: [Other; 5] = [
    Other {
        name: "minijinja-cli",
        program: "minijinja-cli",
        directory: "bin",
        dialect: Dialect::Jinja,
        arguments: &["TEMPLATE", "DATA"],
    },
    Other {
        name: "tera-cli",
        program: "tera",
        directory: "bin",
        dialect: Dialect::Jinja,
        arguments: &["--file", "TEMPLATE", "--json", "DATA"],
    },
    Other {
        name: "hdlbr (handlebars)",
        program: "hdlbr",
        directory: "bin",
        dialect: Dialect::Handlebars,
        arguments: &["DATA", "TEMPLATE"],
    },
    Other {
        name: "j2cli",
        program: "j2",
        directory: "python/bin",
        dialect: Dialect::Jinja,
        arguments: &["--format=json", "TEMPLATE", "DATA"],
    },
    Other {
        name: "m4",
        program: "m4",
        directory: "bin",
        dialect: Dialect::M4,
        arguments: &["-P", "TEMPLATE"],
    },
];

/// All other renderers, with their commands for the subject.
pub fn others(subject: &Subject) -> Result<Vec<Renderer>> {
    OTHERS.iter().map(|other| other.on(subject)).collect()
}

/// The variants of render-cfg with the records in `nodes`: with the subject's template to stdout, with the same
/// template to a file, and with the shipped template to a file.
pub fn ours(subject: &Subject, nodes: &Path, directory: &Path) -> Result<[Renderer; OURS]> {
    let plain = subject.template(Dialect::Jinja)?;
    let renderer = |name: &str, writes, step: TimedRun| Renderer {
        name: name.to_owned(),
        is_ours: true,
        writes,
        step: Some(step),
    };
    let to_file = rendering(&plain, nodes, &directory.join("plain.cfg"))?;
    Ok([
        renderer("render-cfg, to stdout", false, rendering(&plain, nodes, Path::new("-"))?),
        renderer("render-cfg, to a file, synced", true, to_file),
        renderer("the same, shipped template", true, shipped(nodes, &directory.join("shipped.cfg"))?),
    ])
}

/// render-cfg with the shipped template, to a file.
pub fn shipped(nodes: &Path, output: &Path) -> Result<TimedRun> {
    rendering(&programs::shipped("render-cfg/templates/haproxy.cfg.tera"), nodes, output)
}

fn rendering(template: &Path, nodes: &Path, output: &Path) -> Result<TimedRun> {
    let arguments: [OsString; 4] = ["--template".into(), template.into(), "--output".into(), output.into()];
    Ok(TimedRun::new(programs::bin_dir()?.join("render-cfg"), arguments).env("NODES_DIR", nodes))
}

impl Renderer {
    /// Checks that it prints the expected text. Blank lines are ignored, because the languages differ in how they
    /// treat the newline after a block.
    pub fn compare(&mut self, subject: &Subject) -> Result<()> {
        let Some(step) = self.step.as_mut().filter(|_| !self.writes) else { return Ok(()) };
        let printed = step.printed()?;
        let printed = String::from_utf8_lossy(&printed);
        let lines =
            |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let (printed, wanted) = (lines(&printed), lines(&subject.text));
        match printed.iter().zip(&wanted).find(|(a, b)| a != b) {
            None if printed.len() == wanted.len() => Ok(()),
            other => Err(Error::Unfit(format!("{} prints another text: {other:?}", self.name))),
        }
    }
}

impl Other {
    fn on(&self, subject: &Subject) -> Result<Renderer> {
        let template = subject.template(self.dialect)?;
        let Some(program) = self.path() else {
            let name = format!("{} (not installed)", self.name);
            return Ok(Renderer { name, is_ours: false, writes: false, step: None });
        };
        let data = subject.data();
        let argument = |word: &&str| match *word {
            "TEMPLATE" => template.clone().into_os_string(),
            "DATA" => data.clone().into_os_string(),
            word => OsString::from(word),
        };
        let arguments: Vec<OsString> = self.arguments.iter().map(argument).collect();
        let name = format!("{} {}", self.name, Other::version(&program)).trim_end().to_owned();
        Ok(Renderer { name, is_ours: false, writes: false, step: Some(TimedRun::new(program, arguments)) })
    }

    fn path(&self) -> Option<PathBuf> {
        let own = programs::shipped("target/others").join(self.directory).join(self.program);
        if own.is_file() { Some(own) } else { programs::find(self.program).ok() }
    }

    /// The first word of the program's output that looks like a version.
    fn version(program: &Path) -> String {
        let output = Command::new(program).arg("--version").output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let is_version = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
        let word = text.split([' ', ',', '\n']).find(is_version);
        word.unwrap_or_default().to_owned()
    }
}
