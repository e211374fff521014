//! One HAProxy with a file to reload, for the tests of reload-haproxy.

mod backend_servers;
mod fixture;
mod outcome;
mod tested_haproxy;

pub use backend_servers::{BALANCED, Facts, many};
pub use fixture::{HaproxyFixture, MODES, every_mode, revision};
pub use outcome::{Outcome, assert_done, assert_refused, finish};
pub use tested_haproxy::{is_since, program};
