//! `{{ text | file(name="x.map") }}`: a file beside the output, which changes together with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use support::Bed;

/// Prints the path of a file with the setting `text`.
const TEMPLATE: &str = "map {{ vars.text | file(name=\"routes.map\") }}\n{{ revision }}\n";

/// The files that were written beside `out`.
fn files(bed: &Bed) -> Vec<String> {
    let mut files: Vec<String> =
        bed.leftovers().into_iter().filter_map(|name| name.strip_prefix("out.").map(str::to_owned)).collect();
    files.sort();
    files
}

#[test]
fn the_file_is_there_before_the_check_and_its_name_has_its_hash() {
    let bed = Bed::new(TEMPLATE);
    bed.render(&["--set", "text=a", "--check", "sh -c 'cat $(sed -n \"s/^map //p\" {}) >seen'"]).ends(0);
    assert_eq!(bed.read("seen"), "a");
    let one = files(&bed);
    assert_eq!(one, ["routes-ca978112ca1bbdca.map"], "sha256 of 'a'");
    let path = bed.scratch.path().canonicalize().unwrap().join("out.routes-ca978112ca1bbdca.map");
    assert!(bed.read("out").starts_with(&format!("map {}\n", path.display())), "{}", bed.read("out"));
    fs::remove_file(&path).unwrap();
    bed.render(&["--set", "text=a", "-v"]).ends(0);
    assert_eq!(files(&bed), one, "one that was removed by hand comes back");
    bed.render(&["--set", "text=b"]).ends(0);
    assert_eq!(files(&bed).len(), 2, "the old one may be needed again");
}

#[test]
fn a_refused_text_leaves_no_file_and_a_check_of_a_printed_text_has_its_files() {
    let bed = Bed::new(TEMPLATE);
    bed.write("out", "old");
    bed.render(&["--set", "text=a", "--check", "false {}"]).ends(5);
    assert!(files(&bed).is_empty() && bed.read("out") == "old");
    let check = "sh -c 'cat $(sed -n \"s/^map //p\" {}) >>seen'";
    bed.render(&["--set", "text=a", "--dry-run", "--check", check]).ends(0);
    assert!(files(&bed).is_empty());
    let ran = bed.run(&["--set", "text=b", "--check", check]).ends(0);
    assert!(ran.out.starts_with("map routes-3e23e8160039594a.map\n"), "{}", ran.out);
    let warning =
        "render-cfg: did not write 'routes-3e23e8160039594a.map', which the text names: give an --output\n";
    assert_eq!(ran.err, warning);
    assert_eq!(bed.read("seen"), "ab");
}

#[test]
fn a_name_that_is_no_name_is_an_error_of_the_template() {
    for (name, reason) in
        [("../x.map", "the file's name '../x.map' is not"), ("map", "the file's name 'map' is not")]
    {
        let bed = Bed::new(&format!("{{{{ \"x\" | file(name=\"{name}\") }}}}"));
        let err = bed.render(&[]).ends(3).err;
        assert!(err.contains(reason), "{err}");
    }
    let bed = Bed::new(TEMPLATE);
    fs::create_dir(bed.path("a,b")).unwrap();
    let ran = bed.run(&["--set", "text=a", "--output", "a,b/out"]).ends(3);
    assert!(ran.err.contains("use another directory for the output"), "{}", ran.err);
}
