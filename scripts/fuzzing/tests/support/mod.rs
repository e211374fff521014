//! Shared by the tests: random numbers and settings from the environment.
#![allow(unreachable_pub, dead_code, reason = "each test file uses its part")]

pub mod files;

use std::env;
use std::str::FromStr;

use harness::run::programs;

/// Random numbers from a seed (splitmix64): the same seed leads to the same values.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `below`.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    /// One of several values.
    pub fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }
}

/// A number from the environment.
pub fn setting<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Whether HAProxy is installed. Otherwise the test is skipped, or fails if $CI is set.
pub fn has_haproxy() -> bool {
    let is_here = env::var_os("HAPROXY").is_some() || programs::find("haproxy").is_ok();
    if !is_here {
        assert!(env::var_os("CI").is_none(), "haproxy is not installed");
        println!("SKIPPED haproxy is not installed");
    }
    is_here
}
