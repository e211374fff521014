//! Thousands of random values and lines are read back from a real HAProxy. Any escaped value must be one argument,
//! and the properties must split a line as HAProxy does.
//!
//! FUZZ_VALUES is the number of values (2,000 by default), FUZZ_SEED the random seed; `$HAPROXY` names another
//! HAProxy than the installed one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use common::replace::replace;
use fuzzing::word_splitting::words;
use harness::cluster::single_haproxy::{HaproxyFixture, program};
use harness::daemons::haproxy::Mode;
use render_cfg::escape::escape;
use support::{Dice, has_haproxy, setting};

/// How many lines are in one file, which HAProxy loads at once.
const BATCH: u64 = 2_000;

/// Bytes with a meaning in a line, and some without.
const MEANINGFUL: &[u8] = b"\t \x0b\x0c\r\"'\\\\\\\\#${}xxnrt0419aAeEfF-:,%()\xc3\xa9\x1b\x7f ";

/// Values of several kinds.
trait Values {
    fn byte(&mut self) -> u8;
    fn bytes(&mut self) -> Vec<u8>;
}

impl Values for Dice {
    fn byte(&mut self) -> u8 {
        match self.roll(4) {
            0 => self.roll(255) as u8 + 1,
            _ => MEANINGFUL[self.roll(MEANINGFUL.len())],
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..=self.roll(24)).map(|_| self.byte()).collect()
    }
}

/// A random value, escaped, alone or within double quotes; and the value itself.
fn escaped(dice: &mut Dice) -> (Vec<u8>, Vec<u8>) {
    let value = String::from_utf8_lossy(&dice.bytes()).into_owned();
    let mut argument = Vec::new();
    escape(&value, &mut argument).unwrap();
    if dice.roll(2) == 0 {
        argument = [b"\"", &argument[..], b"\""].concat();
    }
    (argument, value.into_bytes())
}

/// The rest of a line that is exactly one word, written in any way; and that word as the properties read it.
fn random_line(dice: &mut Dice) -> (Vec<u8>, Vec<u8>) {
    loop {
        let mut line = dice.bytes();
        line.retain(|byte| *byte != b'\n');
        // HAProxy rejects a line with an open quote, and setenv takes exactly one value, which must not be empty.
        let read = words(&[b"setenv V ", &line[..]].concat()).unwrap_or_default();
        if let [_, _, (word, false)] = &read[..]
            && !word.is_empty()
            && !word.contains(&0)
        {
            return (line, word.clone());
        }
    }
}

/// Lets HAProxy read `arguments`; returns its environment after that.
fn read_back(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut fixture = HaproxyFixture::empty();
    let mut config =
        format!("global\n stats socket {} level admin\n", fixture.run.join("admin.sock").display());
    config += &format!("frontend f\n mode http\n timeout client 1s\n bind {}\nglobal\n", fixture.front());
    let mut config = config.into_bytes();
    for (number, argument) in arguments.iter().enumerate() {
        config.extend([format!(" setenv V{number} ").as_bytes(), argument, b"\n"].concat());
    }
    replace(&fixture.config(), &config, 0o644).unwrap();
    fixture.start(Mode::Foreground);
    let mut socket = UnixStream::connect(fixture.run.join("admin.sock")).unwrap();
    socket.write_all(b"show env\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

/// Checks that HAProxy reads every argument back as the value beside it.
fn assert_read_back(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
    let (arguments, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let answer = read_back(&arguments);
    let first = answer.windows(4).position(|part| part == b"\nV0=").expect("the environment") + 1;
    let mut rest = &answer[first..];
    for (number, value) in values.iter().enumerate() {
        let expected = [format!("V{number}=").as_bytes(), value, b"\n"].concat();
        rest = rest.strip_prefix(&expected[..]).unwrap_or_else(|| {
            let seen = String::from_utf8_lossy(&rest[..rest.len().min(100)]);
            let argument = String::from_utf8_lossy(&arguments[number]);
            panic!("{argument:?} is {:?}, read back: {seen:?}", String::from_utf8_lossy(value))
        });
    }
}

/// Checks all values of a generator, one batch at a time.
fn all(make: fn(&mut Dice) -> (Vec<u8>, Vec<u8>)) {
    if !has_haproxy() {
        return;
    }
    let (mut left, seed) = (setting("FUZZ_VALUES", BATCH), setting("FUZZ_SEED", 1));
    println!("{left} values from seed {seed} on {}", program().display());
    let mut dice = Dice(seed);
    while left > 0 {
        let batch = left.min(BATCH);
        assert_read_back((0..batch).map(|_| make(&mut dice)).collect());
        left -= batch;
    }
}

#[test]
fn every_escaped_value_is_one_argument_to_a_real_haproxy() {
    all(escaped);
}

#[test]
fn any_line_is_split_as_a_real_haproxy_splits_it() {
    all(random_line);
}
