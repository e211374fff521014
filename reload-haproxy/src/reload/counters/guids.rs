//! The `guid`s of a configuration, as far as they decide which counters its objects can load.
//!
//! HAProxy warns of counters of a frontend whose `guid` is now a server's, and of counters of a backend whose `guid`
//! is now a listener's. With `zero-warning` it would not start. All other differences it ignores.

use std::collections::HashSet;

use crate::config::lines::lines;

/// Whose counters they are: each has a part of the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Frontends and listeners.
    Front,
    /// Backends and servers.
    Back,
}

/// The `guid`s of servers, and the `guid-prefix`es of listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guids {
    servers: HashSet<String>,
    listeners: HashSet<String>,
}

impl Guids {
    /// Reads a configuration.
    pub(crate) fn read(text: &str) -> Guids {
        let mut guids = Guids::default();
        for line in lines(text).filter(|line| line.text.contains("guid")) {
            let (keyword, found) = match &*line.keyword {
                "server" => ("guid", &mut guids.servers),
                "bind" => ("guid-prefix", &mut guids.listeners),
                _ => continue,
            };
            let mut words = line.words().into_iter().map(|word| word.text).skip_while(|word| word != keyword);
            found.extend(words.nth(1));
        }
        guids
    }

    /// Whether HAProxy loads counters of this side without a warning.
    pub(crate) fn fit(&self, side: Side, guid: &str) -> bool {
        match side {
            Side::Front => !self.servers.contains(guid),
            // The listeners of a line are PREFIX-0, PREFIX-1, ...
            Side::Back => !guid.rsplit_once('-').is_some_and(|(prefix, _)| self.listeners.contains(prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_other_side_do_not_fit() {
        let text = "\
frontend web
  guid web
  bind :80 guid-prefix l-1
backend nodes
  guid nodes
  server s1 10.0.0.1:80 check guid s:1
  server s2 10.0.0.2:80 check
";
        let guids = Guids::read(text);
        let fit = |side| ["web", "nodes", "s:1", "l-1-0", "gone"].map(|guid| guids.fit(side, guid));
        assert_eq!(fit(Side::Front), [true, true, false, true, true]);
        assert_eq!(fit(Side::Back), [true, true, true, false, true]);
    }
}
