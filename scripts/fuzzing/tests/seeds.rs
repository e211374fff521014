//! Runs the properties on every seed and on every input that ever broke one, without a fuzzer.

use std::fs;
use std::path::Path;

use fuzzing::TARGETS;

/// Runs the property of `target` on all files of `folder/target`; returns how many files there are.
fn feed(folder: &str, target: &str, property: fuzzing::Property) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(&path) else { return 0 };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in &files {
        let bytes = fs::read(file).expect("a seed can be read");
        let held = std::panic::catch_unwind(|| property(&bytes));
        assert!(held.is_ok(), "the property '{target}' does not hold for '{}'", file.display());
    }
    files.len()
}

#[test]
fn every_property_holds_for_its_seeds() {
    for (target, property) in TARGETS {
        assert!(feed("seeds", target, property) > 0, "{target} has no seeds");
    }
}

#[test]
fn no_input_that_broke_a_property_breaks_it_again() {
    for (target, property) in TARGETS {
        feed("crashes", target, property);
    }
}

#[test]
fn seeds_and_crashes_belong_to_a_target() {
    for folder in ["seeds", "crashes"] {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder");
        for entry in entries {
            let name = entry.expect("an entry").file_name();
            assert!(TARGETS.iter().any(|(target, _)| name == *target), "{folder}/{}", name.to_string_lossy());
        }
    }
}
