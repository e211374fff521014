//! The man pages and completions of the package, compared with what each program's --help says.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::run::programs;

use crate::built::{Built, PROGRAMS, package, run};

/// The path of the man page of a program.
fn man_page(program: &str) -> String {
    let section = if program == "rollcall-setup" { 8 } else { 1 };
    format!("usr/share/man/man{section}/{program}.{section}.gz")
}

#[test]
fn every_option_of_help_is_in_the_man_page() {
    let Some(built) = package() else { return };
    for program in PROGRAMS {
        let page = built.text(&man_page(program)).replace("\\-", "-");
        let section = page.split(".SH OPTIONS\n").nth(1).and_then(|rest| rest.split("\n.SH ").next());
        let section = section.unwrap_or_else(|| panic!("{program} has no section OPTIONS"));
        // A term is in bold at the beginning of its entry.
        let terms: Vec<&str> =
            section.split("\\fB").skip(1).filter_map(|rest| rest.split(['\\', ' ']).next()).collect();
        let options = built.options(program);
        assert!(options.len() > 3, "{program}: {options:?}");
        for option in options {
            assert!(
                terms.contains(&format!("--{option}").as_str()),
                "{program}: --{option} is not in {terms:?}"
            );
        }
    }
}

#[test]
fn man_and_mandoc_find_no_fault_in_a_page() {
    let Some(built) = package().filter(|_| programs::are_here(&["man", "mandoc"])) else { return };
    let mut pages = 0;
    for section in ["man1", "man5", "man7", "man8"] {
        for page in fs::read_dir(built.root.join("usr/share/man").join(section)).unwrap() {
            let page = page.unwrap().path();
            assert_eq!(run(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page)), "");
            let mut man = Command::new("man");
            man.args(["--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"]).arg(&page);
            let output =
                man.env("LC_ALL", "C.UTF-8").env("MANROFFSEQ", "").env("MANWIDTH", "80").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", page.display());
            pages += 1;
        }
    }
    assert_eq!(pages, PROGRAMS.len() + 3);
}

/// What bash offers after `PROGRAM WORD...`, of which the last is not complete.
fn offered_by_bash(built: &Built, program: &str, words: &[&str]) -> String {
    let script = r#"
        source "$1" && shift
        function=$(complete -p "$1" | sed -E 's/.* -F ([^ ]+) .*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$function" "$1" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let file = built.root.join("usr/share/bash-completion/completions").join(program);
    run(Command::new("bash").args(["--norc", "-c", script, "bash"]).arg(file).arg(program).args(words))
}

/// The same of fish.
fn offered_by_fish(built: &Built, program: &str) -> String {
    let file = built.root.join("usr/share/fish/vendor_completions.d").join(format!("{program}.fish"));
    // After each option is its description, which may name others.
    let script = format!("source {}; complete -C '{program} --' | cut -f 1", file.display());
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package/fish");
    run(Command::new("fish")
        .args(["--no-config", "-c", &script])
        .env("HOME", &home)
        .env("XDG_DATA_HOME", &home))
}

/// What zsh's function has for `PROGRAM`, after zsh has loaded it from its path.
fn known_to_zsh(built: &Built, program: &str) -> String {
    let script = r#"
        fpath=("$1" $fpath)
        autoload -Uz compinit && compinit -D -u
        [ "$_comps[$2]" = "_$2" ] && autoload +X "_$2" && functions "_$2""#;
    let directory = built.root.join("usr/share/zsh/vendor-completions");
    run(Command::new("zsh").args(["-f", "-c", script, "zsh"]).arg(directory).arg(program))
}

/// The long options among words, sorted.
fn long_options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    let mut options: Vec<String> = words
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    options.sort();
    options.dedup();
    options
}

#[test]
fn each_shell_completes_every_option_of_help() {
    let Some(built) = package() else { return };
    for shell in ["bash", "fish", "zsh"] {
        if !programs::are_here(&[shell]) {
            continue;
        }
        for program in PROGRAMS {
            let offered = long_options(&match shell {
                "bash" => offered_by_bash(built, program, &["--"]),
                "fish" => offered_by_fish(built, program),
                _ => known_to_zsh(built, program),
            });
            let missing: Vec<_> =
                built.options(program).into_iter().filter(|option| !offered.contains(option)).collect();
            assert!(missing.is_empty(), "{shell}, {program}: {missing:?} are not in {offered:?}");
        }
    }
}

#[test]
fn bash_completes_the_values_of_an_option() {
    let Some(built) = package().filter(|_| programs::are_here(&["bash"])) else { return };
    assert_eq!(offered_by_bash(built, "member-join", &["--from", "serf-m"]), "serf-members\n");
}
