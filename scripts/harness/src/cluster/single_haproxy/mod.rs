//! One HAProxy with a file to reload, for the tests of reload-haproxy.

pub mod autoscaled;
mod backend_servers;
pub mod counters_fixture;
mod fixture;
pub mod health_fixture;
mod list_files;
mod outcome;
pub mod refused_file;
mod tested_haproxy;
pub mod tls_fixture;
pub mod varied_servers;

pub use backend_servers::{BALANCED, Facts, many};
pub use fixture::{HaproxyFixture, MODES, every_mode, revision};
pub use outcome::{Outcome, assert_done, assert_refused, finish};
pub use tested_haproxy::{is_meant, is_since, program};
