//! The completions, where each shell of Debian looks for those of packages.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::{File, commands};

pub(crate) fn all() -> Vec<File> {
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish];
    commands().iter().flat_map(|command| shells.map(|shell| one(command, shell))).collect()
}

fn one(command: &Command, shell: Shell) -> File {
    let name = command.get_name().to_owned();
    let path = match shell {
        Shell::Zsh => format!("usr/share/zsh/vendor-completions/_{name}"),
        Shell::Fish => format!("usr/share/fish/vendor_completions.d/{name}.fish"),
        _ => format!("usr/share/bash-completion/completions/{name}"),
    };
    let mut text = Vec::new();
    generate(shell, &mut command.clone(), name, &mut text);
    (path, String::from_utf8(text).expect("clap writes the text of its own strings"))
}
