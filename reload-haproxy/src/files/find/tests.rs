//! Real files and directories, as configurations name them.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use common::replace::replace;
use tempfile::TempDir;

use super::*;
use crate::config::content::text;
use crate::config::facts::facts;
use crate::config::files::settings::DefaultPath;
use crate::state::digest::Digest;

/// A directory with files, and a configuration with `DIR` for its path.
struct Bed {
    dir: TempDir,
    text: String,
}

impl Bed {
    fn new(text: &str, files: &[&str]) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let text = text.replace("DIR", dir.path().to_str().unwrap());
        let bed = Bed { dir, text };
        files.iter().for_each(|name| bed.write(name, name));
        bed
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        replace(&path, content.replace("DIR", self.dir.path().to_str().unwrap()).as_bytes(), 0o600).unwrap();
    }

    /// What is found so long after now that all stamps count.
    fn find(&self, old: Option<&LoadedFiles>) -> LoadedFiles {
        let places = Places::new(&DefaultPath::Current, Path::new("/c"), None);
        find(&facts(&self.text).files, &places, old, SystemTime::now() + Duration::from_secs(1))
    }

    /// The items, with their parts and entries, without the directory.
    fn shown(&self, found: &LoadedFiles) -> Vec<String> {
        let plain = |text: &str| text.replace(&format!("{}/", self.dir.path().display()), "");
        let item = |item: &Item| {
            let parts = item.parts.iter().map(|part| {
                let state = if part.digest.is_some() { "" } else { "!" };
                format!("{state}{}", part.role)
            });
            let (kind, parts) = (item.kind, parts.collect::<Vec<_>>());
            plain(&format!("{kind} {} {parts:?} {:?}", item.name, item.entries))
        };
        found.items.iter().map(|found| item(found)).collect()
    }
}

#[test]
fn files_beside_a_certificate_belong_to_it() {
    let bed = Bed::new(
        "frontend f\n bind :1 ssl crt DIR/a.pem crt DIR/no.pem\n",
        &["a.pem", "a.pem.key", "a.pem.sctl"],
    );
    let found = bed.find(None);
    assert_eq!(
        bed.shown(&found),
        ["certificate a.pem [\"\", \"key\", \"sctl\"] []", "certificate no.pem [\"!\"] []"]
    );
    bed.write("a.pem.ocsp", "o");
    fs::remove_file(bed.dir.path().join("a.pem.sctl")).unwrap();
    assert_eq!(bed.shown(&bed.find(Some(&found)))[0], "certificate a.pem [\"\", \"key\", \"ocsp\"] []");
}

#[test]
fn a_directory_is_a_list_of_its_certificates() {
    let names = ["d/b.pem", "d/a.pem", "d/a.pem.key", "d/.c.pem", "d/x/y.pem"];
    let bed = Bed::new("frontend f\n bind :1 ssl crt DIR/d/\n", &names);
    let expected = [
        "certificate list d [] [\"d/a.pem\", \"d/b.pem\"]",
        "certificate d/a.pem [\"\", \"key\"] []",
        "certificate d/b.pem [\"\"] []",
    ];
    assert_eq!(bed.shown(&bed.find(None)), expected);
}

#[test]
fn names_that_are_not_utf_8_are_found_as_haproxy_sorts_them() {
    let name = |bytes: &[u8]| text(bytes).into_owned();
    let bed = Bed::new("frontend f\n bind :1 ssl crt DIR/d crt \"DIR/\\xe9/x.pem\"\n", &["d/a.pem"]);
    for bytes in [&b"d/\xc3\xa9.pem"[..], b"d/\xff.pem", b"d/\xff.pem.key", b"d/\xc1.pem", b"\xe9/x.pem"] {
        let file = bed.dir.path().join(content::path(&name(bytes)));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        replace(&file, bytes, 0o600).unwrap();
    }
    let found = bed.find(None);
    let expected =
        ["certificate list d", "certificate d/a.pem", "certificate d/\u{10fec1}.pem", "certificate d/é.pem"]
            .map(str::to_owned);
    let shown = bed.shown(&found);
    for (line, expected) in shown.iter().zip(expected) {
        assert!(line.starts_with(&expected), "{line}");
    }
    assert_eq!(shown[4], format!("certificate {} [\"\", \"key\"] []", name(b"d/\xff.pem")));
    assert_eq!(shown[5], format!("certificate {} [\"\"] []", name(b"\xe9/x.pem")));
    assert!(!found.bytes().is_empty(), "it can be remembered");
    assert_eq!(bed.find(Some(&found)), found);
}

#[test]
fn a_bundle_is_several_certificates() {
    let bed = Bed::new("frontend f\n bind :1 ssl crt DIR/a\n", &["a.rsa", "a.ecdsa", "a.other"]);
    assert_eq!(bed.shown(&bed.find(None)), ["certificate a.rsa [\"\"] []", "certificate a.ecdsa [\"\"] []"]);
}

#[test]
fn a_crt_list_names_certificates_and_authorities() {
    let bed =
        Bed::new("global\n crt-base DIR\nfrontend f\n bind :1 ssl crt-list DIR/l\n", &["a.pem", "ca.pem"]);
    bed.write("l", "# no\na.pem [alpn h2  ca-file DIR/ca.pem] a.test\n@web/x b.test\n");
    let found = bed.find(None);
    let expected = [
        "certificate list l [\"\"] [\"a.pem [alpn h2 ca-file ca.pem] a.test\", \"@web/x b.test\"]",
        "certificate a.pem [\"\"] []",
        "CA file ca.pem [\"\"] []",
    ];
    assert_eq!(bed.shown(&found), expected);
    assert_eq!(bed.shown(&bed.find(Some(&found))), expected, "it is not read again");
    bed.write("l", "a.pem\nb.pem");
    let error = bed.find(None).items[0].parts[0].error.clone();
    assert_eq!(error.as_deref(), Some("it does not end with a newline"));
}

#[test]
fn a_file_is_read_again_only_if_its_stamp_has_changed_also_behind_symlinks() {
    let bed = Bed::new("defaults\n errorfile 503 DIR/data/e\n", &["one/e", "two/e"]);
    let link = bed.dir.path().join("data");
    symlink("one", &link).unwrap();
    let mut found = bed.find(None);
    Rc::make_mut(&mut found.items[0]).parts[0].digest = Some(Digest::UNKNOWN);
    assert_eq!(bed.find(Some(&found)), found);
    symlink("two", bed.dir.path().join("new")).unwrap();
    fs::rename(bed.dir.path().join("new"), &link).unwrap();
    assert_ne!(bed.find(Some(&found)).items[0].parts[0].digest, found.items[0].parts[0].digest);
}

#[test]
fn the_stamp_of_a_file_that_has_just_changed_does_not_count() {
    let bed = Bed::new("defaults\n errorfile 503 DIR/e\n", &["e"]);
    let places = Places::new(&DefaultPath::Current, Path::new("/c"), None);
    let found = find(&facts(&bed.text).files, &places, None, SystemTime::now());
    assert!(found.items[0].parts[0].stamp.is_none() && found.items[0].parts[0].digest.is_some());
}

#[test]
fn relative_names_begin_where_the_default_path_says() {
    let places = |default: DefaultPath| Places::new(&default, Path::new("/etc/haproxy/h.cfg"), None).of("m");
    assert_eq!(places(DefaultPath::Current), Path::new("/m"));
    assert_eq!(places(DefaultPath::Config), Path::new("/etc/haproxy/m"));
    assert_eq!(places(DefaultPath::Parent), Path::new("/etc/m"));
    assert_eq!(places(DefaultPath::Origin("/srv".to_owned())), Path::new("/srv/m"));
    assert_eq!(Places::new(&DefaultPath::Config, Path::new("/c"), None).of("/m"), Path::new("/m"));
}
