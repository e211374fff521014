//! `--min-nodes`: if few nodes are left, it is more likely that the balancer is cut off than that the nodes are gone.
//!
//! So the existing file is kept, and HAProxy's own checks decide which servers are up. If there is no file yet, or an
//! empty one, it is written in any case: a balancer must be able to start in an empty cluster.

/// The smallest number of nodes, of one role or of all roles together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    role: Option<String>,
    least: usize,
    /// The option or the environment variable that it comes from.
    source: String,
}

impl Floor {
    /// Parses `N` or `ROLE=N` for clap.
    pub(crate) fn parse(text: &str) -> Result<Floor, String> {
        let (role, number) = match text.rsplit_once('=') {
            Some((role, number)) => (Some(role.to_owned()), number),
            None => (None, text),
        };
        let least = number.parse().map_err(|_| "write it as 2 or backend=2".to_owned())?;
        match role {
            Some(role) if !is_role(&role) => Err(format!(
                "'{role}' is not a role: use letters, digits, '_', '.' and '-', and give each role by itself"
            )),
            role => Ok(Floor { role, least, source: "--min-nodes".to_owned() }),
        }
    }

    /// The same, from an environment variable.
    pub(crate) fn of_variable(self, name: &str) -> Floor {
        Floor { source: name.to_owned(), ..self }
    }

    /// Why the old file is kept and what to do, if there are too few nodes. `roles` has the role of each usable node.
    pub(crate) fn shortfall<'n>(&self, roles: impl Iterator<Item = &'n str>) -> Option<String> {
        let counts = |role: &&str| self.role.as_ref().is_none_or(|counted| counted == role);
        let count = roles.filter(counts).count();
        let of_role = self.role.as_ref().map(|role| format!(" of role '{role}'")).unwrap_or_default();
        let Floor { least, source, .. } = self;
        (count < *least).then(|| {
            format!(
                "{count} usable nodes{of_role}, fewer than {least}, so it is kept; lower {source} if this is intended"
            )
        })
    }
}

/// Whether a node could have this role. A floor for an impossible role would refuse every render, and `a=1 b=1` in one
/// argument is a mistake.
fn is_role(role: &str) -> bool {
    !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortfall(floor: &str, roles: &[&str]) -> Option<String> {
        let why = Floor::parse(floor).unwrap().of_variable("V").shortfall(roles.iter().copied())?;
        Some(why.strip_suffix(", so it is kept; lower V if this is intended").unwrap().to_owned())
    }

    #[test]
    fn a_floor_counts_all_nodes_or_those_of_a_role() {
        assert_eq!(shortfall("2", &["a", "b"]), None);
        assert_eq!(shortfall("3", &["a", "b"]).unwrap(), "2 usable nodes, fewer than 3");
        assert_eq!(shortfall("a=2", &["a", "b"]).unwrap(), "1 usable nodes of role 'a', fewer than 2");
        assert_eq!(shortfall("web-1.a_b=0", &[]), None);
    }

    #[test]
    fn an_invalid_number_or_role_is_refused() {
        for bad in ["", "a", "a=", "=x", "-1", "=1", "x=y=1", "backend=1 balancer=1", "a b=1", "ä=1"] {
            assert!(Floor::parse(bad).is_err(), "{bad}");
        }
    }
}
