//! The fuzzer: runs the property that FUZZ_TARGET names on the inputs of libFuzzer. scripts/fuzz builds it.
#![no_main]
#![allow(clippy::disallowed_methods, reason = "the macro of libfuzzer-sys makes a file")]

use std::sync::LazyLock;

use fuzzing::{Property, property};
use libfuzzer_sys::fuzz_target;

static PROPERTY: LazyLock<Property> = LazyLock::new(|| {
    let target = std::env::var("FUZZ_TARGET").unwrap_or_default();
    property(&target).unwrap_or_else(|| panic!("cannot fuzz '{target}': FUZZ_TARGET must name a target"))
});

fuzz_target!(|bytes: &[u8]| PROPERTY(bytes));
