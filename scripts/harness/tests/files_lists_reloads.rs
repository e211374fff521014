//! Files that only a reload loads, and maps that are left to one.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::{HaproxyFixture, assert_done};
use harness::daemons::haproxy::Mode;

fn page(text: &str) -> String {
    format!("HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\n{text}")
}

/// The line of the configuration that has this text.
fn line_of(fixture: &HaproxyFixture, text: &str) -> usize {
    let config = std::fs::read_to_string(fixture.config()).unwrap();
    config.lines().position(|line| line.contains(text)).unwrap() + 1
}

fn lua(answer: &str) -> String {
    format!("core.register_fetches('said', function(txn) return '{answer}' end)\n")
}

#[test]
fn a_file_that_only_a_reload_loads_is_loaded_by_one_that_says_so() {
    let mut fixture = HaproxyFixture::empty();
    fixture.write_file("503.http", page("first"));
    fixture.write_file("page.txt", "first");
    fixture.write_file("plain.txt", "first");
    fixture.write_file("x.lua", lua("first"));
    let directory = fixture.run.join("").display().to_string();
    let sections = format!(
        "http-errors site\n  errorfile 503 DIR/503.http\n\
         frontend web\n  bind {}\n  errorfiles site\n  \
         http-request return status 200 content-type text/plain lf-file DIR/page.txt if {{ path /page }}\n  \
         http-request return status 200 content-type text/plain file DIR/plain.txt if {{ path /plain }}\n  \
         http-request return status 200 content-type text/plain lf-string %[lua.said] if {{ path /lua }}\n  \
         default_backend none\nbackend none\n",
        fixture.front()
    );
    let sections = sections.replace("DIR/", &directory);
    let load = format!("  lua-load {directory}x.lua\n");
    fixture.write_text(&format!("{}{sections}", fixture.head(&load, &sections)));
    fixture.start(Mode::MasterSocket);
    // They are so new that the start may have read others.
    assert_done(&fixture.reload(&[]), "may have changed since worker");
    assert_done(&fixture.reload(&[]), "nothing to do");
    for (name, path, text) in [
        ("503.http", "/none", page("second")),
        ("page.txt", "/page", "second".to_owned()),
        ("plain.txt", "/plain", "second".to_owned()),
        ("x.lua", "/lua", lua("second")),
    ] {
        assert_eq!(fixture.body(path), "first", "{name}");
        fixture.write_file(name, text);
        let line = line_of(&fixture, &format!("/{name}"));
        let why = format!("{}, which line {line} names, has changed", fixture.file(name).display());
        fixture.reload_file(&why);
        assert_eq!(fixture.body(path), "second", "{name}");
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn a_map_that_the_socket_cannot_take_is_reloaded() {
    let answer =
        "http-request return status 200 content-type text/plain lf-string %[path,map_str(DIR/m,none)]";
    let fixture = HaproxyFixture::with_files(&[answer], &[("m", "/a 1\n")]);
    let long = format!("/a 2\n/b {}\n", "x".repeat(5000));
    for (text, value) in
        [(b"/a 3\n/b caf\xe9\n".as_slice(), "3"), (long.as_bytes(), "2"), (b"/a 4\n/b\0 x\n", "4")]
    {
        fixture.write_file("m", text);
        fixture.reload_file("line 2 of");
        assert_eq!(fixture.body("/a"), value);
    }
    fixture.write_file("m", "/a 5\n/b x\n");
    fixture.change();
    assert_eq!(fixture.body("/a"), "5");
}

#[test]
fn a_map_whose_name_has_blanks_is_changed() {
    let answer = "http-request return status 200 content-type text/plain lf-string";
    let rule = format!("{answer} \"%[path,map_str('DIR/a b;c.map',none)]\"");
    let fixture = HaproxyFixture::with_files(&[&rule], &[("a b;c.map", "/a 1\n")]);
    fixture.write_file("a b;c.map", "/a 2\n");
    fixture.change();
    fixture.write_file("a b;c.map", "/x 2\n/a 3\n/y 2\n");
    fixture.change();
    assert_eq!(fixture.body("/a"), "3");
}
