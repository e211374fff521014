//! The three ways to tell HAProxy to reload, and which of them the running one supports.

use std::fmt::{self, Display};

use common::failure::{Code, Failure};

use crate::haproxy::instance::Instance;

/// How HAProxy is reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `reload` on the master's socket (haproxy -W -S).
    Master,
    /// SIGUSR2 to the master (haproxy -W).
    Signal,
    /// A new process that takes over from the old one (haproxy -D, -sf).
    Classic,
}

impl Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Master => "master",
            Method::Signal => "signal",
            Method::Classic => "classic",
        })
    }
}

/// The best method that the running HAProxy supports.
pub(crate) fn supported(instance: &Instance) -> Result<Method, Failure> {
    let no = |line| Err(Failure::new(Code::Haproxy, line));
    match &instance.main {
        _ if instance.master_socket.is_some() => Ok(Method::Master),
        Some(_) if instance.is_master => Ok(Method::Signal),
        Some(main) if main.has_flag("-D") => Ok(Method::Classic),
        Some(main) => no(format!(
            "cannot reload 'haproxy': process {} runs in the foreground without a master; start it with -W -S \
             SOCKET, or give --method classic",
            main.pid
        )),
        None => {
            no("cannot reload 'haproxy': only its stats socket can be reached; give --master-socket"
                .to_owned())
        }
    }
}
