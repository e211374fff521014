//! Files, rows and what is found between them, without a HAProxy.

use super::*;

const FILE: &str = "\
backend nodes
  balance leastconn
  server s1 10.0.0.1:80 check weight 5
  server s2 10.0.0.2:80 check maxconn 9
";

fn row(name: &'static str, endpoint: &'static str, weight: u32, admin: u32) -> Row<'static> {
    Row::new("nodes", name, endpoint, weight, admin)
}

fn live() -> Vec<Row<'static>> {
    vec![row("s1", "10.0.0.1:80", 5, 0), row("s2", "10.0.0.2:80", 1, 0)]
}

/// The changes from `old` to `new` as people read them, or the reason for a reload.
fn found(old: &str, new: &str, rows: &[Row], parked: &Parked, version: &str) -> Result<Vec<String>, String> {
    let version = Version::parse(version).unwrap();
    let known = Known { layout: &Sections::read(old), rows, parked, version, scope: &Scope::All };
    let found = changes(&Sections::read(new), &known).map_err(|why| why.to_string());
    found.map(|found| found.changes.iter().map(Change::to_string).collect())
}

fn since(new: &str) -> Result<Vec<String>, String> {
    found(FILE, new, &live(), &Parked::new(), "2.6.12")
}

#[test]
fn matching_servers_need_no_change() {
    assert_eq!(since(FILE), Ok(vec![]));
}

#[test]
fn servers_are_added_removed_moved_and_tuned() {
    assert_eq!(
        since(&format!("{FILE}  server s3 10.0.0.3:80 check\n")),
        Ok(vec!["server nodes/s3 added at 10.0.0.3:80".to_owned()])
    );
    let gone = FILE.replace("  server s2 10.0.0.2:80 check maxconn 9\n", "");
    assert_eq!(since(&gone), Ok(vec!["server nodes/s2 removed".to_owned()]));
    let moved = since(&FILE.replace("10.0.0.2:80", "10.0.0.9:81"));
    assert_eq!(moved, Ok(vec!["server nodes/s2 moved to 10.0.0.9:81".to_owned()]));
    let tuned = since(&FILE.replace("weight 5", "weight 0").replace("maxconn 9", "maxconn 8"));
    let expected = ["server nodes/s1 weight 0", "server nodes/s2 maxconn 8"].map(str::to_owned);
    assert_eq!(tuned, Ok(expected.to_vec()));
}

#[test]
fn changes_made_by_hand_are_undone() {
    let mut rows = live();
    rows[0] = row("s1", "10.0.0.7:80", 5, 0);
    rows[1] = row("s2", "10.0.0.2:80", 77, 0);
    rows.push(row("x", "10.0.0.8:80", 1, 0));
    let expected =
        ["server nodes/s1 moved to 10.0.0.1:80", "server nodes/s2 weight 1", "server nodes/x removed"];
    let found = found(FILE, FILE, &rows, &Parked::new(), "2.6.12");
    assert_eq!(found, Ok(expected.map(str::to_owned).to_vec()));
}

#[test]
fn maintenance_set_by_hand_stays() {
    let rows = [row("s1", "10.0.0.1:80", 5, 1), live().remove(1)];
    assert_eq!(found(FILE, FILE, &rows, &Parked::new(), "2.6.12"), Ok(vec![]));
    let tuned = found(FILE, &FILE.replace("weight 5", "weight 6"), &rows, &Parked::new(), "2.6.12");
    assert_eq!(tuned, Ok(vec!["server nodes/s1 weight 6".to_owned()]));
}

#[test]
fn a_parked_server_returns_only_with_the_same_options() {
    let mut rows = live();
    rows.push(row("s3", "10.0.0.3:80", 1, 1));
    let parked = Parked::from([("nodes/s3".to_owned(), "check".to_owned())]);
    let with = |line: &str| found(FILE, &format!("{FILE}{line}"), &rows, &parked, "2.6.12");
    let back = with("  server s3 10.0.0.4:80 check weight 3\n");
    assert_eq!(back, Ok(vec!["server nodes/s3 back at 10.0.0.4:80".to_owned()]));
    let refused = with("  server s3 10.0.0.4:80 check backup\n").unwrap_err();
    assert_eq!(
        refused,
        "server s3 of backend nodes: it was parked with options 'check' and comes back with different ones"
    );
    assert_eq!(found(FILE, FILE, &rows, &parked, "2.6.12"), Ok(vec![]));
}

#[test]
fn disabled_puts_a_server_into_maintenance_and_back() {
    let disabled = FILE.replace("weight 5", "weight 5 disabled");
    assert_eq!(since(&disabled), Ok(vec!["server nodes/s1 disabled".to_owned()]));
    let by_hand = found(&disabled, &disabled, &live(), &Parked::new(), "2.6.12");
    assert_eq!(by_hand, Ok(vec!["server nodes/s1 disabled".to_owned()]));
    let cutting = disabled.replace("weight 5", "on-marked-down shutdown-sessions");
    let refused = found(&cutting.replace(" disabled", ""), &cutting, &live(), &Parked::new(), "2.6.12");
    assert_eq!(refused, Err(format!("server s1 of backend nodes: {}", Reason::CutsSessions)));
    let rows = [row("s1", "10.0.0.1:80", 5, 1), live().remove(1)];
    let none = Parked::new();
    let lighter = found(&disabled, &disabled.replace("weight 5", "weight 4"), &rows, &none, "2.6.12");
    assert_eq!(lighter, Ok(vec!["server nodes/s1 weight 4".to_owned()]));
    assert_eq!(found(&disabled, &disabled, &rows, &none, "2.6.12"), Ok(vec![]));
    let back = found(&disabled, FILE, &rows, &none, "2.6.12");
    assert_eq!(back, Ok(vec!["server nodes/s1 back at 10.0.0.1:80".to_owned()]));
}

#[test]
fn a_reason_names_the_server_and_the_backend() {
    let refusal = |new: &str| since(new).unwrap_err();
    assert_eq!(
        refusal(&FILE.replace("s2 10.0.0.2:80 check", "s2 10.0.0.2:80")),
        "server s2 of backend nodes: 'check' cannot change while it runs"
    );
    assert_eq!(
        refusal(&FILE.replace("10.0.0.2:80", "s2.example:80")),
        "server s2 of backend nodes: its address 's2.example:80' is not IP:PORT"
    );
    let added = format!("{FILE}  server s3 10.0.0.3:80 check\n");
    let gone = FILE.replace("  server s2 10.0.0.2:80 check maxconn 9\n", "");
    let refused = |old, new, version| found(old, new, &live(), &Parked::new(), version).unwrap_err();
    assert_eq!(
        refused(FILE, &added, "2.4.0"),
        "server s3 of backend nodes: HAProxy can add servers at run time from version 2.6 on"
    );
    let cookie = added.replace("10.0.0.3:80", "10.0.0.3:80 cookie c3");
    assert_eq!(
        refused(FILE, &cookie, "2.6.12"),
        "server s3 of backend nodes: this HAProxy version does not accept 'cookie' at run time"
    );
    let [file, added] = [FILE, &added].map(|text| text.replace("leastconn", "source"));
    assert_eq!(refused(&file, &added, "2.6.12"), "backend nodes: 'balance source' needs a reload");
    let cutting = FILE.replace("check maxconn 9", "check on-marked-down shutdown-sessions");
    assert_eq!(
        refused(&cutting, &gone, "2.6.12"),
        "server s2 of backend nodes: its on-marked-down would cut its sessions"
    );
}

#[test]
fn a_file_that_haproxy_would_reject_or_reorder_needs_a_reload() {
    let refused = |old: &str, new: &str| found(old, new, &live(), &Parked::new(), "2.6.12").unwrap_err();
    let [first, second] =
        ["  server s1 10.0.0.1:80 check weight 5\n", "  server s2 10.0.0.2:80 check maxconn 9\n"];
    let file = FILE.replace("leastconn", "source");
    let turned = file.replace(first, "").replace(second, &format!("{second}{first}"));
    assert_eq!(refused(&file, &turned), "backend nodes: 'balance source' needs a reload");
    let twice = format!("{FILE}  server s1 10.0.0.3:80\n");
    assert_eq!(refused(FILE, &twice), "server s1 appears twice in backend nodes");
    let backup = FILE.replace("maxconn 9", "backup");
    let backups = format!("{backup}  server s3 10.0.0.3:80 backup\n");
    assert_eq!(
        refused(&backup, &backups),
        "server s3 of backend nodes: the order of backup servers matters, and a server added at run time would be last"
    );
    let [file, gone] =
        [FILE, &FILE.replace(second, "")].map(|text| format!("{text}  use-server s2 if {{ path / }}\n"));
    assert_eq!(refused(&file, &gone), "server s2 is removed, but 'use-server s2 if { path / }' names it");
}

/// From 3.4.0 to 3.4.2 HAProxy starts with two servers of one name.
#[test]
fn neither_of_two_servers_with_one_name_is_changed() {
    let two = format!("{FILE}  server s2 10.0.0.3:80 check\n");
    let mut rows = live();
    rows.push(row("s2", "10.0.0.3:80", 1, 0));
    let found = |new: &str| found(&two, new, &rows, &Parked::new(), "3.4.0");
    assert_eq!(found(&two), Ok(vec![]));
    let other = found(&two.replace("weight 5", "weight 6"));
    assert_eq!(other, Ok(vec!["server nodes/s1 weight 6".to_owned()]));
    for (from, to) in [
        ("10.0.0.3", "10.0.0.4"),
        ("10.0.0.3:80 check", "10.0.0.3:80 check weight 7"),
        ("  server s2 10.0.0.3:80 check\n", ""),
        ("  server s2 10.0.0.2:80 check maxconn 9\n", ""),
        ("maxconn 9", "maxconn 8"),
        ("check maxconn 9", "check maxconn 9 disabled"),
    ] {
        assert_eq!(found(&two.replace(from, to)), Err("server s2 appears twice in backend nodes".to_owned()));
    }
}

#[test]
fn resolved_names_and_template_slots_are_left_alone() {
    let file = FILE.replace("10.0.0.2:80", "s2.example:80") + "  server-template t 2 10.0.0.9:80\n";
    let mut rows = live();
    rows[1] = row("s2", "192.0.2.7:80", 1, 0);
    rows.push(row("t1", "10.0.0.9:80", 1, 0));
    assert_eq!(found(&file, &file, &rows, &Parked::new(), "2.6.12"), Ok(vec![]));
}

#[test]
fn a_tracked_server_is_removed_only_with_the_server_that_tracks_it() {
    let file = format!("{FILE}  server t1 10.0.0.3:80 track s1\n");
    let [first, tracker] = ["  server s1 10.0.0.1:80 check weight 5\n", "  server t1 10.0.0.3:80 track s1\n"];
    let mut rows = live();
    rows.push(row("t1", "10.0.0.3:80", 1, 0));
    let none = Parked::new();
    let gone = file.replace(first, "").replace(tracker, "");
    let expected = ["server nodes/s1 removed", "server nodes/t1 removed"].map(str::to_owned);
    assert_eq!(found(&file, &gone, &rows, &none, "3.0.11"), Ok(expected.to_vec()));
    let kept = found(&file, &file.replace(first, ""), &rows, &none, "3.0.11").unwrap_err();
    assert_eq!(kept, "server s1 is removed, but 'server t1 10.0.0.3:80 track s1' names it");
}

#[test]
fn a_comparison_of_a_few_servers_leaves_the_others_alone() {
    let scope = Scope::Few(vec![["nodes".to_owned(), "s2".to_owned()]]);
    let mut rows = live();
    rows[0] = row("s1", "10.0.0.7:80", 99, 0);
    rows.push(row("x", "10.0.0.8:80", 1, 0));
    let parked = Parked::new();
    let few = |old: &str, new: &str| {
        let version = Version::parse("2.6.12").unwrap();
        let known =
            Known { layout: &Sections::read(old), rows: &rows, parked: &parked, version, scope: &scope };
        let found = changes(&Sections::read(new), &known).map_err(|why| why.to_string());
        found.map(|found| found.to_string())
    };
    let new = FILE.replace("maxconn 9", "maxconn 9 weight 7");
    assert_eq!(few(FILE, &new), Ok("+0 -0 ~1 servers".to_owned()));
    assert_eq!(few(FILE, FILE), Ok("+0 -0 ~0 servers".to_owned()));
    let gone = FILE.replace("  server s2 10.0.0.2:80 check maxconn 9\n", "");
    assert_eq!(few(FILE, &gone), Ok("+0 -1 ~0 servers".to_owned()));
    // The others of such a section were not compared before.
    let conditional = |text: &str| format!("{text}.if 1\n.endif\n");
    let why = few(&conditional(FILE), &conditional(&new)).unwrap_err();
    assert!(why.contains(".if"), "{why}");
}
