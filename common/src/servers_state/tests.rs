use super::*;

const ANSWER: &str = "1\n\
    # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
    srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
    srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port \
    srv_check_addr srv_agent_addr srv_agent_port\n\
    2 nodes 1 s1 127.0.0.1 2 0 3 5 0 8 2 0 6 0 0 0 - 9001 - 0 0 - - 0\n\
    2 nodes 2 s2 ::1 0 5 1 1 1 1 0 0 14 0 0 0 - 9002 - 0 0 - - 0\n\
    3 other 1 s1 - 0 8 1 1 1 1 0 0 14 0 0 0 - 0 - 0 0 - - 0\n\n";

#[test]
fn rows_are_read_by_the_names_of_their_columns() {
    let rows = parse(ANSWER).unwrap();
    assert_eq!((rows[0].backend, rows[0].name, rows[0].weight), ("nodes", "s1", 3));
    assert_eq!(rows[0].endpoint(), Some("127.0.0.1:9001".parse().unwrap()));
    assert_eq!(rows[1].endpoint(), Some("[::1]:9002".parse().unwrap()));
    assert_eq!(rows[2].endpoint(), None);
    let states: Vec<State> = rows.iter().map(Row::state).collect();
    assert_eq!(states, [State::Up, State::Maint, State::Down]);
}

#[test]
fn a_finding_needs_a_check_that_has_ended() {
    let finding = |from: &str, to: &str| {
        let answer = ANSWER.replace(from, to);
        parse(&answer).unwrap().iter().find(|row| row.name == "s1").unwrap().finding()
    };
    assert_eq!(finding("-", "-"), Finding::Up);
    assert_eq!(finding("0 8 2 0 6", "0 1 0 3 6"), Finding::Starting, "initializing");
    assert_eq!(finding("0 8 2 0 6", "0 8 2 0 2"), Finding::Unknown, "checks are off");
    assert_eq!(finding("127.0.0.1 2 0", "127.0.0.1 0 0"), Finding::Down);
    let added = ANSWER.replace("0 8 2 0 6", "0 1 0 3 6").replace("127.0.0.1 2 0", "127.0.0.1 0 0");
    let rows = parse(&added).unwrap();
    assert_eq!(rows.iter().find(|row| row.name == "s1").unwrap().finding(), Finding::Down, "just added");
    assert_eq!(finding("127.0.0.1 2 0", "127.0.0.1 2 1"), Finding::Unknown, "in maintenance");
    assert_eq!(finding("127.0.0.1 2 0", "127.0.0.1 2 8"), Finding::Up, "drained");
}

#[test]
fn servers_are_counted_only_if_all_are_up() {
    let all = ANSWER.lines().filter(|line| !line.starts_with("3 ")).collect::<Vec<_>>().join("\n");
    let up = all.replace("::1 0 5 1", "::1 2 0 1");
    assert_eq!(count_up(&up, "nodes"), Some(2));
    for other in ["::1 0 0 1", "::1 2 1 1", "::1 2 8 1", "::1 2 0 0", "::1 2 x 1", "::1 2"] {
        assert_eq!(count_up(&up.replace("::1 2 0 1", other), "nodes"), None, "{other}");
    }
    let cut = &up[..up.find("::1 2 0").unwrap()];
    assert_eq!(count_up(cut, "nodes"), None);
    assert_eq!(count_up(&up, "other"), None);
    assert_eq!(count_up(ANSWER, "nodes"), None);
    assert_eq!(count_up("Permission denied\n\n", "nodes"), None);
}

#[test]
fn an_answer_that_cannot_be_read_is_named() {
    assert_eq!(parse("Permission denied\n\n"), Err("Permission denied"));
    assert_eq!(parse(""), Err(""));
    let broken = ANSWER.replace("2 nodes 2 s2 ::1 0 5", "2 nodes 2 s2 ::1 0 maint");
    assert!(parse(&broken).is_err_and(|line| line.starts_with("2 nodes 2 s2")));
}
