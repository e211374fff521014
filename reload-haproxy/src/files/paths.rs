//! The paths of the files that the configuration names, for programs that watch them.

use std::collections::BTreeSet;
use std::path::Path;

use common::regular_file;
use common::replace::Staged;

use crate::config::files::named::{FileKind, NamedFiles};
use crate::files::read::FILE_MAX;
use crate::state::loaded_files::{Item, LoadedFiles};

/// Writes the paths of `found` to `file`, sorted, one a line: also those of files beside a certificate that are missing, but
/// not those in a directory of certificates, which has a line itself. A path with a newline is left out. A file with
/// these lines stays as it is.
pub(crate) fn write_paths(file: &Path, named: &NamedFiles, found: &LoadedFiles) -> std::io::Result<()> {
    let text = lines(named, found);
    if regular_file::read(file, FILE_MAX).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    Staged::write(file, text.as_bytes(), 0o640).and_then(Staged::rename)
}

fn lines(named: &NamedFiles, found: &LoadedFiles) -> String {
    let directories: BTreeSet<&str> =
        found.items.iter().filter(|item| is_directory(item)).map(|item| item.name.as_str()).collect();
    let is_within =
        |item: &Item| item.name.rsplit_once('/').is_some_and(|(place, _)| directories.contains(place));
    let items = found.items.iter().filter(|item| item.kind != FileKind::Certificate || !is_within(item));
    let mut paths: BTreeSet<String> = items.flat_map(|item| paths_of(named, item)).collect();
    paths.extend(directories.iter().map(|directory| (*directory).to_owned()));
    paths.retain(|path| path.starts_with('/') && !path.contains('\n'));
    paths.into_iter().map(|path| path + "\n").collect()
}

/// Whether it is a directory of certificates, which has no file of its own.
fn is_directory(item: &Item) -> bool {
    item.kind == FileKind::CertificateList && item.parts.is_empty()
}

fn paths_of(named: &NamedFiles, item: &Item) -> Vec<String> {
    let mut paths: Vec<String> = item.parts.iter().map(|part| part.path.display().to_string()).collect();
    let is_certificate = matches!(item.kind, FileKind::Certificate | FileKind::DefaultCertificate);
    if let Some(path) = paths.first().cloned().filter(|_| is_certificate) {
        paths.extend(named.extra.suffixes.iter().map(|suffix| named.extra.beside(&path, suffix)));
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use common::replace::replace;

    use super::*;
    use crate::config::facts::facts;
    use crate::config::files::settings::DefaultPath;
    use crate::files::find::find;
    use crate::haproxy::places::Places;

    #[test]
    fn the_list_has_files_that_are_missing_and_directories() {
        let dir = tempfile::tempdir().unwrap();
        let text = "global\n ssl-load-extra-files key\nfrontend f\n bind :1 ssl crt DIR/certs/ crt DIR/a.pem\n\
                    \x20errorfile 503 DIR/503.http\n";
        std::fs::create_dir(dir.path().join("certs")).unwrap();
        for name in ["certs/b.pem", "certs/b.pem.key", "503.http"] {
            replace(&dir.path().join(name), b"x", 0o600).unwrap();
        }
        let named = facts(&text.replace("DIR", dir.path().to_str().unwrap())).files;
        let places = Places::new(&DefaultPath::Current, Path::new("/c"), None);
        let found = find(&named, &places, None, SystemTime::now());
        let file = dir.path().join("list");
        write_paths(&file, &named, &found).unwrap();
        let written = std::fs::read_to_string(&file).unwrap().replace(dir.path().to_str().unwrap(), "");
        assert_eq!(written, "/503.http\n/a.pem\n/a.pem.key\n/certs\n");
    }
}
