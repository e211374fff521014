//! Tests of the excerpt: which lines are in it, and which texts have none.

use super::*;

const OLD: &str = "\
global
    description rollcall-0123456789abcdef
frontend web
    bind :80
    use_backend b if { srv_is_up(a/s3) }
backend a
    balance random
    server s1 10.0.0.1:80 check
    server s2 10.0.0.2:80 check
    server s3 10.0.0.3:80 check
    # s9 is left out
    server s4 10.0.0.4:80 check
    server s5 10.0.0.5:80 check
    server s6 10.0.0.6:80 check
backend b
    server s1 10.0.1.1:80
    server s2 10.0.1.2:80 track a/s4
    server s7 10.0.1.7:80
";

/// The lines of the excerpt that are not empty and are no part of the frame.
fn servers(new: &str) -> Option<Vec<String>> {
    let excerpt = excerpt_from(OLD, new, 1)?;
    assert_eq!(excerpt.lines().count(), new.lines().count());
    let servers = excerpt.lines().filter(|line| line.trim().starts_with("server"));
    Some(servers.map(|line| line.trim().to_owned()).collect())
}

#[test]
fn changed_lines_and_those_that_others_name_are_in_the_excerpt() {
    let [s1, s3, s4] = [1, 3, 4].map(|number| format!("server s{number} 10.0.0.{number}:80 check"));
    let [first, tracking] = ["server s1 10.0.1.1:80", "server s2 10.0.1.2:80 track a/s4"].map(str::to_owned);
    let new =
        OLD.replace("10.0.0.2:80 check", "10.0.0.2:81 check").replace("0123456789abcdef", "fedcba9876543210");
    let changed = "server s2 10.0.0.2:81 check".to_owned();
    // The first unchanged one of each backend stands for the others.
    let [a, b, c] = [s1.clone(), s3.clone(), s4.clone()];
    assert_eq!(servers(&new).unwrap(), [a, changed, b, c, first.clone(), tracking.clone()]);
    let new = OLD.replace("    server s2 10.0.0.2:80 check\n", "    # s2 is left out\n");
    let [a, b] = [s1.clone(), s3.clone()];
    assert_eq!(servers(&new).unwrap(), [a, b, s4, first.clone(), tracking]);
    let new = OLD.replace("    server s2 10.0.1.2:80 track a/s4\n", "");
    assert_eq!(servers(&new).unwrap(), [s1, s3, first]);
}

#[test]
fn servers_whose_options_may_name_others_stay_with_those() {
    for options in ["sni srv_conn(a/s5)", "sni lua.name", "set-proxy-v2-tlv-fmt(0x20) %[srv_conn(s5)]"] {
        let old = OLD.replace("10.0.1.7:80", &format!("10.0.1.7:80 {options}"));
        let excerpt = excerpt_from(&old, &old.replace("10.0.0.2:80", "10.0.0.2:81"), 1).unwrap();
        assert!(excerpt.contains(options), "{excerpt}");
        assert_eq!(excerpt.contains("server s5 "), options.contains("s5"), "{excerpt}");
    }
    for line in
        ["    default-server track a/s4\n", "    default-server sni srv_conn(a/s5)\n", "zero-warning\n"]
    {
        let old = OLD.replace("    balance random\n", line);
        assert_eq!(excerpt_from(&old, &old.replace("10.0.0.2:80", "10.0.0.2:81"), 0), None, "{line}");
    }
}

#[test]
fn a_text_without_an_excerpt_is_checked_whole() {
    let with = |from: &str, to: &str| {
        let new = OLD.replacen(from, to, 1);
        assert_ne!(new, OLD, "{from}");
        new
    };
    for new in [
        with("bind :80", "bind :81"),
        with("balance random", "balance roundrobin"),
        with("description", "# description"),
        with("description rollcall-", "description web-"),
        with("    bind :80\n", ""),
        with("server s2 10.0.0.2:80 check", "server s1 10.0.0.2:80 check"),
        with(
            "server s1 10.0.0.1:80 check\n",
            "server s1 10.0.0.1:80 check\n    server s1 10.0.0.1:80 check\n",
        ),
        with("server s2 10.0.0.2:80 check", "server s2 10.0.0.2:80 guid x"),
        with("server s1 10.0.0.1:80 check", "server s1 10.0.0.1:80 id x"),
        with(
            "10.0.0.1:80 check\n    server s2 10.0.0.2:80",
            "10.0.0.1:80 id 7\n    server s2 10.0.0.2:80 id 07",
        ),
        with("server s2 10.0.0.2:80 check", "server s2 10.0.0.2:80 check # new"),
        with("    server s2 10.0.0.2:80", "    \"server\" s2 10.0.0.2:80"),
        with("server s2 10.0.0.2:80 check", "server"),
        with("server s2 10.0.0.2:80 check\n", "server s2 10.0.0.2:80 check \r\n"),
        format!("{OLD}    server s5 10.0.0.5:80 check"),
        format!("{OLD}\0\n"),
    ] {
        assert_eq!(servers(&new), None, "{new}");
    }
    // The same, for the text that was checked.
    assert_eq!(excerpt_from(OLD.trim_end(), &with("10.0.0.2", "10.0.0.5"), 1), None);
}

#[test]
fn a_server_after_another_default_is_checked_again() {
    let old = OLD.replace("    server s3", "    default-server inter 1s\n    server s3");
    let new = old
        .replace("    server s1 10.0.0.1:80 check\n", "")
        .replace("10.0.0.3:80 check\n", "10.0.0.3:80 check\n    server s1 10.0.0.1:80 check\n");
    let excerpt = excerpt_from(&old, &new, 1).unwrap();
    assert!(excerpt.contains("server s1 10.0.0.1:80 check"), "{excerpt}");
    assert!(!excerpt.contains("server s6 "), "{excerpt}");
}

#[test]
fn servers_within_a_condition_or_of_other_sections_are_never_left_out() {
    let old = OLD.replace(
        "    server s3 10.0.0.3:80 check\n",
        "    .if 0\n    server s3 10.0.0.3:80 check\n    .endif\n",
    ) + "peers p\n    server l 10.0.0.9:1\n    server m 10.0.0.8:1\n";
    let excerpt = excerpt_from(&old, &old.replace("10.0.0.2:80", "10.0.0.2:81"), 1).unwrap();
    for line in
        [".if 0\n    server s3 10.0.0.3:80 check\n    .endif", "server l 10.0.0.9:1\n    server m 10.0.0.8:1"]
    {
        assert!(excerpt.contains(line), "{excerpt}");
    }
    assert_eq!(excerpt_from(&old, &old.replace("10.0.0.8:1", "10.0.0.7:1"), 1), None);
    // HAProxy does not see the second section.
    let old = OLD.replace("backend b\n", ".if 0\nbackend b\n.endif\n");
    assert_eq!(excerpt_from(&old, &old.replace("10.0.0.2:80", "10.0.0.2:81"), 0), None);
}

#[test]
fn texts_that_share_nothing_or_end_within_each_other_are_compared() {
    let with = |servers: &[&str]| format!("backend x\n{}", servers.concat());
    let [a, b, c] = ["  server a 1.1.1.1:1\n", "  server b 1.1.1.1:1\n", "  server bb 1.1.1.1:1\n"];
    let kept = |old: &[&str], new: &[&str]| {
        let excerpt = excerpt_from(&with(old), &with(new), 0)?;
        Some(
            new.iter()
                .filter(|line| excerpt.contains(**line))
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(kept(&[a, b], &[a, b, c]).unwrap(), [a, c]);
    assert_eq!(kept(&[a, b, c], &[a, c]).unwrap(), [a]);
    assert_eq!(kept(&[a, b], &[c, b]).unwrap(), [c, b]);
    assert_eq!(kept(&[a], &[b]).unwrap(), [b]);
    assert_eq!(kept(&[a, b], &[b, a]).unwrap(), [b]);
    assert_eq!(kept(&[], &[a, b]).unwrap(), [a, b]);
    assert_eq!(kept(&[a], &[]).unwrap(), [""; 0]);
    assert_eq!(kept(&[a, b], &[a, b, a]), None);
    assert_eq!(kept(&[a, b], &[a, a, b]), None);
    assert_eq!(excerpt_from("global\n", "global\n  daemon\n", 0), None);
    assert_eq!(excerpt_from("global\n  daemon\n", "global\n", 0), None);
}

#[test]
fn a_few_lines_are_not_worth_an_excerpt() {
    let of = |count: usize, port: u16| {
        let servers: String = (0..count).map(|i| format!("    server s{i} 10.0.0.1:80\n")).collect();
        format!("backend b\n{servers}    server last 10.0.0.1:{port}\n")
    };
    assert!(excerpt(&of(WORTHWHILE, 80), &of(WORTHWHILE, 81)).is_none());
    assert!(excerpt(&of(WORTHWHILE + 1, 80), &of(WORTHWHILE + 1, 81)).is_some());
    // Without a change there is nothing to check in part.
    assert!(excerpt_from(OLD, OLD, 1).is_some());
}
