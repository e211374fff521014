//! Every path to every decision, without a HAProxy.

use std::cell::OnceCell;
use std::time::Duration;

use super::*;
use crate::config::facts::facts;
use crate::config::server_options::OptionError;
use crate::haproxy::version::Version;

const FILE: &str = "backend nodes\n  server s1 10.0.0.1:80 check\n";
const ROWS: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n\
     3 nodes 1 s1 10.0.0.1 2 0 1 80\n\n";
const COUNT: &str = "+1 -0 ~0 servers in backend nodes";

/// What a test changes in the usual case: a note that worker 7 runs `FILE`, and a HAProxy that answers `ROWS`.
struct Case {
    file: String,
    note: Option<Note>,
    loaded: Option<&'static str>,
    answer: Option<Result<String, Reason>>,
    /// The answer to `add server help`.
    keywords: &'static str,
}

/// What HAProxy answers.
struct Answers {
    servers: Result<String, Reason>,
    keywords: &'static str,
}

impl Ask for Answers {
    fn servers(&self) -> Result<Answer, Reason> {
        self.servers.clone().map(Answer::from)
    }

    fn keywords(&self) -> Result<String, Reason> {
        Ok(self.keywords.to_owned())
    }
}

fn worker() -> Worker {
    Worker { pid: 7, version: Version::parse("2.6.12"), ..Worker::default() }
}

fn config(text: &str) -> Config {
    let bytes = text.as_bytes().to_vec();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    Config { bytes, hash: OnceCell::new(), ..Config::with(facts(text), changed) }
}

impl Case {
    fn of(file: &str) -> Case {
        let note = Note::default().renewed(&config(FILE), &worker());
        Case {
            file: file.to_owned(),
            note: Some(note),
            loaded: Some(FILE),
            answer: Some(Ok(ROWS.to_owned())),
            keywords: "Require 'backend/server'.\n",
        }
    }

    fn added() -> Case {
        Case::of(&format!("{FILE}  server s2 10.0.0.2:80 check\n"))
    }

    fn with_note(mut self, change: impl FnOnce(&mut Note)) -> Case {
        change(self.note.as_mut().unwrap());
        self
    }

    /// The decision, with the changes as they are logged.
    fn decide(self) -> Decision<Vec<String>, Reason> {
        let config = config(&self.file);
        let layout = Sections::read(&self.file);
        let (worker, born) = (worker(), SystemTime::UNIX_EPOCH);
        let input = DecisionInput {
            config: &config,
            layout: &layout,
            worker: &worker,
            born,
            note: self.note.as_ref(),
            few: None,
        };
        let asked = self.answer.map(|answer| Answers { servers: answer, keywords: self.keywords });
        let ask = asked.as_ref().map(|asked| asked as &dyn Ask);
        match input.decide(|| self.loaded.map(str::to_owned), ask) {
            Decision::Nothing(how) => Decision::Nothing(how),
            Decision::Servers(found, why) => Decision::Servers(found.lines(&Parked::new()), why),
            Decision::Files(what) => Decision::Files(what),
            Decision::Reload(why) => Decision::Reload(why),
        }
    }

    fn reason(self) -> Reason {
        match self.decide() {
            Decision::Reload(why) => why,
            other => panic!("not a reload: {other:?}"),
        }
    }
}

fn differs(why: Reason) -> Reason {
    Reason::Differs { difference: COUNT.to_owned(), why: why.into() }
}

#[test]
fn nothing_if_the_worker_runs_the_file_and_its_servers_match() {
    assert_eq!(Case::of(FILE).decide(), Decision::Nothing("worker 7 runs this file".to_owned()));
}

#[test]
fn nothing_if_only_a_comment_changed() {
    let how = "the servers of worker 7 match the file".to_owned();
    assert_eq!(Case::of(&format!("{FILE}# new\n")).decide(), Decision::Nothing(how));
}

#[test]
fn nothing_if_the_file_is_loaded_and_only_a_reload_could_undo_what_was_done_by_hand() {
    let answer = Some(Err(Reason::Rejected("Permission denied".to_owned())));
    let how = "worker 7 loaded this file, but HAProxy rejected a command with 'Permission denied'".to_owned();
    assert_eq!(Case { answer, ..Case::of(FILE) }.decide(), Decision::Nothing(how));
}

#[test]
fn nothing_and_no_question_if_the_method_only_reloads() {
    let how = "worker 7 runs this file".to_owned();
    assert_eq!(Case { answer: None, ..Case::of(FILE) }.decide(), Decision::Nothing(how));
}

#[test]
fn nothing_if_the_file_is_loaded_and_there_is_no_socket_to_ask() {
    let how = "worker 7 runs this file".to_owned();
    assert_eq!(
        Case { answer: Some(Err(Reason::NoSocket)), ..Case::of(FILE) }.decide(),
        Decision::Nothing(how)
    );
}

#[test]
fn servers_if_only_servers_differ() {
    let line = "server nodes/s2 added at 10.0.0.2:80".to_owned();
    assert_eq!(Case::added().decide(), Decision::Servers(vec![line], COUNT.to_owned()));
}

#[test]
fn servers_if_haproxys_servers_were_changed_by_hand() {
    let answer = Some(Ok(ROWS.replace(" 2 0 1 80", " 2 0 9 80")));
    let why = "HAProxy differs: +0 -0 ~1 servers".to_owned();
    let line = "server nodes/s1 weight 1".to_owned();
    assert_eq!(Case { answer, ..Case::of(FILE) }.decide(), Decision::Servers(vec![line], why));
}

#[test]
fn reload_if_another_line_changed() {
    let reason = Case::of(&format!("frontend web\n{FILE}")).reason();
    assert_eq!(reason, Reason::Line("line 1 of frontend web changed".to_owned()));
}

#[test]
fn reload_if_the_loaded_text_is_not_known() {
    assert_eq!(Case { loaded: None, ..Case::added() }.reason(), Reason::Changed(7));
    assert_eq!(Case { loaded: None, note: None, ..Case::added() }.reason(), Reason::MayHaveChanged(7));
}

#[test]
fn reload_if_an_earlier_run_did_not_finish() {
    assert_eq!(Case::of(FILE).with_note(|note| note.is_begun = true).reason(), Reason::Unfinished);
}

#[test]
fn reload_if_servers_differ_and_the_method_only_reloads() {
    assert_eq!(Case { answer: None, ..Case::added() }.reason(), Reason::Line(COUNT.to_owned()));
}

#[test]
fn reload_if_servers_differ_and_haproxy_cannot_be_asked() {
    let answer = Some(Err(Reason::NoSocket));
    assert_eq!(Case { answer, ..Case::added() }.reason(), differs(Reason::NoSocket));
    let answer = Some(Ok("Permission denied\n".to_owned()));
    let why = Reason::Answer { command: "show servers state", answer: "Permission denied".to_owned() };
    assert_eq!(Case { answer, ..Case::added() }.reason(), differs(why));
}

#[test]
fn reload_if_a_server_cannot_be_added_at_run_time() {
    let why = Reason::from(OptionError::Unsupported("resolvers".to_owned()));
    let file = format!("{FILE}  server s2 10.0.0.2:80 resolvers dns\n");
    assert_eq!(Case::of(&file).reason(), differs(why.of_server("s2", "backend nodes")));
}

#[test]
fn reload_if_haproxys_own_list_lacks_a_keyword_that_no_other_server_has() {
    let list = "List of keywords supported for dynamic server:\ncheck\n";
    let file = format!("{FILE}  server s2 10.0.0.2:80 check inter 1s\n");
    let why = Reason::KeywordVersion("inter".to_owned()).of_server("s2", "backend nodes");
    assert_eq!(Case { keywords: list, ..Case::of(&file) }.reason(), differs(why));
    assert!(matches!(Case::of(&file).decide(), Decision::Servers(..)));
}

#[test]
fn reload_if_the_file_does_not_end_with_a_newline() {
    let mut case = Case::added();
    case.file.pop();
    assert_eq!(case.reason().to_string(), format!("{COUNT}, and the file does not end with a newline"));
}

#[test]
fn reload_if_haproxy_differed_right_after_loading_and_the_file_has_changed() {
    assert_eq!(Case::added().with_note(|note| note.is_unlike = true).reason(), differs(Reason::Unlike));
}

#[test]
fn reload_if_too_many_servers_are_parked() {
    let parked: Parked = (0..=PARKED_MAX).map(|number| (format!("nodes/p{number}"), String::new())).collect();
    let reason = Case::added().with_note(|note| note.parked = parked).reason();
    assert_eq!(reason, differs(Reason::Parked(PARKED_MAX + 1)));
}
