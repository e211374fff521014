//! Checks that haproxy.cfg has only lines that the shipped template is meant to write: those that it writes without
//! nodes, and a strict grammar for those that a node adds.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use common::node::check_name;

const WEIGHTS: RangeInclusive<u32> = 0..=256;
const LIMITS: RangeInclusive<u32> = 1..=1_000_000;

/// The parts of haproxy.cfg that do not depend on the nodes, with one balancer and with several.
pub struct ConfigGrammar {
    frames: [Vec<String>; 2],
}

impl ConfigGrammar {
    /// Made from a file rendered without any node, and one with several balancers but no other node.
    pub fn new(alone: &str, shared: &str) -> ConfigGrammar {
        ConfigGrammar {
            frames: [alone, shared].map(|text| frame(text).into_iter().map(str::to_owned).collect()),
        }
    }

    /// The first line that the template was not meant to write, if there is one.
    pub fn strange(&self, text: &str) -> Option<String> {
        let seen = frame(text);
        let different = |frame: &[String]| {
            let at = (0..frame.len().max(seen.len()))
                .find(|at| frame.get(*at).map(String::as_str) != seen.get(*at).copied());
            at.map(|at| (at, seen.get(at).map_or("the end", |line| line).to_owned()))
        };
        // The frame that matches further is the right one.
        let [alone, shared] = [&self.frames[0], &self.frames[1]].map(|frame| different(frame));
        Some(alone?.max(shared?).1)
    }
}

/// The lines without those that nodes have added where they may.
fn frame(text: &str) -> Vec<&str> {
    let mut frame: Vec<&str> = Vec::new();
    for line in text.split('\n') {
        let before = frame.last().copied().unwrap_or_default().trim_start();
        let is_of_a_node = match before.split(' ').next() {
            Some("default-server") => is_server(line) || is_left_out(line) || is_empty_pool(line),
            Some("peers") => is_peer(line) || is_left_out(line),
            _ => false,
        };
        if !is_of_a_node && !is_revision(line) && !is_algorithm(line) {
            frame.push(line);
        }
    }
    frame
}

fn is_server(line: &str) -> bool {
    let Some(mut words) = named(line, "server") else { return false };
    if words.next() != Some("check") {
        return false;
    }
    let rest: Vec<&str> = words.collect();
    let rest = number(&rest, "weight", WEIGHTS);
    let rest = number(rest, "maxconn", LIMITS);
    rest.is_empty() || rest == ["backup"]
}

fn is_peer(line: &str) -> bool {
    named(line, "peer").is_some_and(|mut words| words.next().is_none())
}

/// The words after keyword, name and endpoint, if those are valid.
fn named<'a>(line: &'a str, keyword: &str) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
    let mut words = line.strip_prefix("    ")?.split(' ');
    let is_right = words.next()? == keyword
        && check_name(words.next()?).is_ok()
        && words.next()?.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0);
    is_right.then_some(words)
}

/// The rest after an option with a number within the limits.
fn number<'a, 'b>(words: &'a [&'b str], name: &str, limits: RangeInclusive<u32>) -> &'a [&'b str] {
    match words {
        [option, value, rest @ ..]
            if *option == name && value.parse().is_ok_and(|number| limits.contains(&number)) =>
        {
            rest
        }
        _ => words,
    }
}

fn is_left_out(line: &str) -> bool {
    let text = line.strip_prefix("    # ").and_then(|text| text.split_once(" is left out: "));
    text.is_some_and(|(name, _)| check_name(name).is_ok()) && !line.chars().any(char::is_control)
}

fn is_empty_pool(line: &str) -> bool {
    line == "    # There are no servers yet: every request gets 503."
}

/// A node that is a backup server changes the algorithm, and the comment on it.
fn is_algorithm(line: &str) -> bool {
    let comments = [
        "    # leastconn gives a slow server fewer requests, ",
        "    # algorithm, allows adding and removing servers while HAProxy runs.",
        "    # In HAProxy 3.2 and later requests can wait in vain with leastconn, ",
    ];
    matches!(line, "    balance leastconn" | "    balance random")
        || comments.iter().any(|comment| line.starts_with(comment))
}

fn is_revision(line: &str) -> bool {
    let digits = line.strip_prefix("    description rollcall-");
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = "backend nodes\n    default-server inter 2s\n\nfrontend stats\n";

    fn with(lines: &str) -> String {
        FRAME.replace("2s\n", &format!("2s\n{lines}"))
    }

    #[test]
    fn lines_of_nodes_pass_and_nothing_else_does() {
        let shape = ConfigGrammar::new(FRAME, FRAME);
        let good = "    server s1 127.0.0.1:80 check weight 0 maxconn 9 backup\n    server s2 [::1]:80 check\n    \
                    # s3 is left out: its tag 'port' is 'x'\n";
        assert_eq!(shape.strange(&with(good)), None);
        for bad in [
            "    server s1 127.0.0.1:80 check disabled\n",
            "    server s1 127.0.0.1:0 check\n",
            "    server s1 127.0.0.1:80 check weight 257\n",
            "    server s/1 127.0.0.1:80 check\n",
            "   server s1 127.0.0.1:80 check\n",
            "    # s3 is left out: x\r\n",
            "global\n",
        ] {
            assert_eq!(shape.strange(&with(bad)).as_deref(), Some(bad.trim_end_matches('\n')), "{bad}");
        }
        assert!(shape.strange(&format!("{FRAME}    server s1 127.0.0.1:80 check\n")).is_some());
        assert!(shape.strange("backend nodes\n").is_some());
    }
}
