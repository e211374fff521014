//! Changes of maps and lists that need no reload, and the files that HAProxy must not take.
//!
//! `$HAPROXY` names another HAProxy than the installed one, as in tests/reload_methods.rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use harness::cluster::single_haproxy::{HaproxyFixture, assert_done, assert_refused};

const ANSWER: &str = "http-request return status 200 content-type text/plain lf-string";

fn answer(text: &str) -> String {
    format!("{ANSWER} {text}")
}

#[test]
fn a_changed_map_answers_without_a_reload() {
    let fixture = HaproxyFixture::with_files(
        &[&answer("%[path,map_str(DIR/m,none)]|%[path,map_beg(DIR/m,none)]")],
        &[("m", "/a 1\n/b 2\n/a dup\n")],
    );
    assert_eq!((fixture.body("/a"), fixture.body("/bc")), ("1|1".to_owned(), "none|2".to_owned()));
    // One value, one entry at the end, one removed; and then everything.
    for (file, body) in [
        ("/a 1 one\n/b 2\n/a dup\n", "1 one|1 one"),
        ("/a 1 one\n/b 2\n/a dup\n/a third\n", "1 one|1 one"),
        ("/b 2\n/a dup\n/a third\n", "dup|dup"),
        ("# all new\n/ root\n/a new\n/ab longer\n", "new|new"),
        ("/a new\n/ root\n/ab longer\n", "new|new"),
        ("", "none|none"),
        ("/a\n/b x", "|"),
        ("/a again\n/b x", "again|again"),
        ("/a\n/b x", "|"),
    ] {
        fixture.write_file("m", file);
        fixture.change();
        assert_eq!(fixture.body("/a"), body, "{file}");
        assert_done(&fixture.reload(&[]), "nothing to do");
    }
}

#[test]
fn what_haproxy_holds_is_what_it_reads_itself() {
    let odd = "# comment\n  #key v\n/a one two  three  \t\n/b\ttabbed value\n/a second\n/c\n/d \r\n/e with\rcr\n\
               /f x\r\n@at v\n-dash v\n/q \"quo ted\" 'x'\n/bs back\\slash \\ \\n $x ${HOME}\n/sc a;b ; c\n/utf ü€\n\
               <<x y\n/last v";
    let patterns = "one\n  two words  \ntr\\ail;x \n #hash\n@at\n-dash\nONE\none\n\"q'\n$x\n<<x\nü\r\n#no\n";
    let rules = [&answer("%[path,map_str(DIR/m,none)]"), "http-request deny if { req.hdr(x) -i -f DIR/a }"];
    let loaded = HaproxyFixture::with_files(&rules, &[("m", odd), ("a", patterns)]);
    let changed = HaproxyFixture::with_files(&rules, &[("m", "/a 1\n"), ("a", "x\n")]);
    changed.write_file("m", odd);
    changed.write_file("a", patterns);
    changed.change();
    for (noun, name) in [("map", "m"), ("acl", "a")] {
        assert_eq!(changed.entries(noun, name), loaded.entries(noun, name));
        assert!(changed.entries(noun, name).len() > 10);
    }
}

#[test]
fn the_first_pattern_that_fits_stays_the_first() {
    let rules =
        [answer("%[path,map_reg(DIR/r,none)]|%[str(7),map_int(DIR/i,none)]|%[src,map_ip(DIR/ip,none)]")];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let fixture = HaproxyFixture::with_files(
        &rules,
        &[("r", "^/a one\n"), ("i", "1:10 low\n"), ("ip", "127.0.0.0/8 all\n")],
    );
    assert_eq!(fixture.body("/ab"), "one|low|all");
    // In front of the other, where a command would put it behind.
    fixture.write_file("r", "^/ab two\n^/a one\n");
    fixture.write_file("i", "7 seven\n1:10 low\n");
    fixture.write_file("ip", "127.0.0.0/8 first\n127.0.0.0/8 all\n");
    fixture.change();
    assert_eq!(fixture.body("/ab"), "two|seven|first");
    fixture.write_file("r", "^/a one\n^/ab two\n");
    fixture.change();
    assert_eq!(fixture.body("/ab"), "one|seven|first");
}

#[test]
fn requests_that_found_nothing_in_an_empty_list_find_the_new_entries() {
    let many: String = (0..30).map(|n| format!("^/k{n}$ v{n}\n")).collect();
    let rule = answer("%[path,map_reg(DIR/r,none)]");
    let fixture = HaproxyFixture::with_files(&[&rule], &[("r", "")]);
    // HAProxy remembers what it does not find while there are some entries, in whatever version.
    let run = |command: &str| {
        fixture.haproxy().command(&command.replace("FILE", fixture.file("r").to_str().unwrap()))
    };
    run("prepare map FILE").unwrap();
    run(&format!("add map @1 FILE <<\n{many}")).unwrap();
    assert_eq!(fixture.body("/k3"), "none");
    fixture.write_file("r", &many);
    fixture.change();
    assert_eq!(fixture.body("/k3"), "v3");
}

#[test]
fn a_changed_list_decides_without_a_reload() {
    let fixture = HaproxyFixture::with_files(
        &[
            "http-request deny if { path -i -f DIR/a }",
            "http-request deny if { path -m reg -f DIR/r }",
            &answer("ok"),
        ],
        &[("a", "/one\n/two\n"), ("r", "^/x.$\n")],
    );
    let statuses = || ["/ONE", "/three", "/xy", "/yy"].map(|path| fixture.answer(path).status);
    assert_eq!(statuses(), [403, 200, 403, 200]);
    fixture.write_file("a", "/three\n/one\n/two\n");
    fixture.change();
    assert_eq!(statuses(), [403, 403, 403, 200]);
    fixture.write_file("a", "/three\n");
    fixture.write_file("r", "^/y.$\n^/z(a|b)$\n");
    let outcome = fixture.change();
    assert_eq!(statuses(), [200, 403, 200, 403], "{}", outcome.stderr);
    fixture.write_file("a", "");
    fixture.change();
    assert_eq!(statuses(), [200, 200, 200, 403]);
}

#[test]
fn a_list_of_keys_and_values_changes_with_the_map_of_the_same_file() {
    let fixture = HaproxyFixture::with_files(
        &[
            "http-request deny if { path -M -f DIR/m }",
            "http-request deny if { path -M -f DIR/only }",
            &answer("%[str(/a),map_str(DIR/m,none)]"),
        ],
        &[("m", "/a  1\n/b 2\n"), ("only", "/x  1\n")],
    );
    let statuses = || ["/a", "/c", "/x", "/y"].map(|path| fixture.answer(path).status);
    assert_eq!((fixture.body("/"), statuses()), ("1".to_owned(), [403, 200, 403, 200]));
    fixture.write_file("m", "/c 3\n/b 2\n/a 9\n");
    fixture.write_file("only", "/y  1\n");
    fixture.change();
    assert_eq!((fixture.body("/"), statuses()), ("9".to_owned(), [403, 403, 200, 403]));
    assert_done(&fixture.reload(&[]), "nothing to do");
}

/// A file, what is wrong with it, and what HAProxy says.
#[test]
fn a_bad_entry_is_refused_and_the_old_ones_stay() {
    let rules =
        answer("%[str(7),map_int(DIR/i,none)]|%[src,map_ip(DIR/ip,none)]|%[path,map_str_int(DIR/v,0)]");
    let fixture = HaproxyFixture::with_files(
        &[&rules, "http-request deny if { path -m reg -f DIR/r }"],
        &[("i", "7 a\n8 b\n"), ("ip", "127.0.0.0/8 a\n"), ("v", "/a 1\n"), ("r", "^/x\n")],
    );
    let body = fixture.body("/a");
    let worker = fixture.worker();
    for (name, good, bad, says) in [
        ("i", "7 a\n8 b\n", "7 a\n8 b\nseven c\n", "'seven' is not a number"),
        ("i", "7 a\n8 b\n", "9 x\n7 c\nseven c\n8 b\n", "'seven' is not a number"),
        (
            "ip",
            "127.0.0.0/8 a\n",
            "127.0.0.0/8 a\n10.0.0.300 b\n",
            "'10.0.0.300' is not a valid IPv4 or IPv6 address",
        ),
        ("v", "/a 1\n", "/a one\n", "unable to parse 'one'"),
        ("v", "/a 1\n", "/b 2\n/a one\n/c 3\n", "unable to parse 'one'"),
        ("r", "^/x\n", "^/x\n(y\n", "regex '(y' is invalid"),
    ] {
        fixture.write_file(name, bad);
        for _ in 0..2 {
            let outcome = fixture.reload(&[]);
            assert_refused(&outcome, says);
            assert!(outcome.stderr.contains(fixture.file(name).to_str().unwrap()), "{}", outcome.stderr);
            assert_eq!((fixture.body("/a"), fixture.worker()), (body.clone(), worker));
        }
        fixture.write_file(name, good);
        assert_eq!(fixture.reload(&[]).code, 0);
        assert_eq!((fixture.body("/a"), fixture.worker()), (body.clone(), worker));
    }
}
