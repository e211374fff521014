use super::*;

/// Captured from real HAProxys of these versions.
const WHOLE: [&str; 4] = [
    include_str!("../../../tests/fixtures/whole-2.6.12.txt"),
    include_str!("../../../tests/fixtures/whole-3.0.11.txt"),
    include_str!("../../../tests/fixtures/whole-3.2.26.txt"),
    include_str!("../../../tests/fixtures/whole-3.4.7.txt"),
];
const BRIEF: [&str; 4] = [
    include_str!("../../../tests/fixtures/brief-2.6.12.txt"),
    include_str!("../../../tests/fixtures/brief-3.0.11.txt"),
    include_str!("../../../tests/fixtures/brief-3.2.26.txt"),
    include_str!("../../../tests/fixtures/brief-3.4.7.txt"),
];
const NONE: [&str; 4] = [
    include_str!("../../../tests/fixtures/none-2.6.12.txt"),
    include_str!("../../../tests/fixtures/none-3.0.11.txt"),
    include_str!("../../../tests/fixtures/none-3.2.26.txt"),
    include_str!("../../../tests/fixtures/none-3.4.7.txt"),
];

fn named(backend: &str) -> Vec<String> {
    vec![backend.to_owned()]
}

#[test]
fn the_backends_row_is_read() {
    for answer in WHOLE {
        let report = read(answer, &named("nodes")).unwrap();
        assert_eq!((report.sessions, report.queued + report.errors), (10, 7));
        assert!(report.pid > 0);
    }
}

#[test]
fn each_server_is_read_except_those_in_maintenance_and_the_backup_server() {
    for answer in WHOLE {
        let report = read(answer, &named("nodes")).unwrap();
        let seen: Vec<(&str, ServerState, u64, Option<u64>)> = report
            .servers
            .iter()
            .map(|server| (server.name.as_str(), server.state, server.sessions, server.maxconn))
            .collect();
        let expected = [
            ("s1", ServerState::Up, 3, Some(3)),
            // Its last check has commas and quotation marks.
            ("s2", ServerState::Starting, 0, None),
            ("s3", ServerState::Draining, 0, None),
            ("s6", ServerState::Draining, 0, Some(4)),
            ("s7", ServerState::Failed, 0, None),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_server_that_has_served_and_is_down_has_failed() {
    let head = "Pid: 5\nUptime_sec: 9\n\n# pxname,svname,qcur,scur,stot,status,bck,act,type,uweight,econ,wretr,wredis,weight";
    let rows = "n,s1,0,0,0,DOWN,0,1,2,1,0,0,0,\nn,s2,0,0,7,DOWN 1/2,0,1,2,1,0,0,0,\nn,s3,0,2,7,MAINT,0,1,2,1,0,0,0,\n\
                n,BACKEND,1,4,9,UP,0,0,1,0,3,2,1,5\n\n";
    let report = read(&format!("{head}\n{rows}"), &named("n")).unwrap();
    let states: Vec<ServerState> = report.servers.iter().map(|server| server.state).collect();
    assert_eq!(states, [ServerState::Starting, ServerState::Failed, ServerState::Draining]);
    assert_eq!((report.sessions, report.queued, report.requests, report.errors), (4, 1, 9, 6));
}

#[test]
fn the_list_says_as_much_if_all_servers_are_up() {
    for answer in BRIEF {
        let report = read_list(answer, "plain").unwrap();
        assert_eq!((report.sessions, report.unnamed, report.servers.len()), (0, 2, 0));
        // Not all are up, or one is a backup server.
        assert_eq!(read_list(&answer.replace(" p2 127.0.0.1 2 0 ", " p2 127.0.0.1 0 0 "), "plain"), None);
        assert_eq!(read_list(&answer.replace(" p2 127.0.0.1 2 0 ", " p2 127.0.0.1 2 8 "), "plain"), None);
        let more = answer.trim_end().lines().last().unwrap().replace("p2", "p3");
        assert_eq!(read_list(&format!("{}\n{more}\n\n", answer.trim_end()), "plain"), None);
    }
}

#[test]
fn an_answer_that_was_cut_off_anywhere_is_not_read() {
    for answer in WHOLE {
        for end in (0..answer.len() - 1).rev().step_by(13) {
            let cut = answer.get(..end).unwrap();
            assert!(read(cut, &named("nodes")).is_err(), "{end}");
            assert_eq!(read_list(cut, "nodes"), None);
        }
    }
    for answer in BRIEF {
        for end in (0..answer.len() - 1).rev().step_by(13) {
            assert_eq!(read_list(answer.get(..end).unwrap(), "plain"), None, "{end}");
        }
    }
}

#[test]
fn a_backend_that_is_not_there_is_named() {
    for answer in NONE {
        assert_eq!(read(answer, &named("nope")), Err(Flaw::NoBackend(0)));
    }
    for answer in WHOLE {
        assert_eq!(read(answer, &named("other")), Err(Flaw::Strange));
        assert_eq!(read(answer, &["nodes".to_owned(), "more".to_owned()]), Err(Flaw::Incomplete));
    }
    for other in ["", "Permission denied\n\n", "Pid: x\n\n", "\n\n\n"] {
        assert!(read(other, &named("nodes")).is_err(), "{other}");
    }
}
