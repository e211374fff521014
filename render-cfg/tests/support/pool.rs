//! Pools with bad members, and templates and checks that fail because of them.

use super::Bed;

/// The tags of a good member.
pub const BACKEND: &[(&str, &str)] = &[("role", "backend")];
/// Fails for a tag that is not a number.
pub const NUMBER: &str =
    "{% for n in nodes %}server {{ n.name }} {{ n.tags.n | default(value='1') | int }}\n{% endfor %}";
/// Each server with its tag, which a check can look for.
pub const TAG: &str =
    "{% for n in nodes %}server {{ n.name }} {{ n.tags.n | default(value='1') }}\n{% endfor %}";
/// Refuses a text with `bad`, and counts the checks.
pub const NO_BAD: &str = "sh -c 'echo >>checks; ! grep -n bad \"$0\"' {}";

/// A directory with this template, the nodes `s1` to `s<count>`, and bad nodes with this value of the tag `n`.
pub fn pool(template: &str, count: usize, bad: &[(&str, &str)]) -> Bed {
    let bed = Bed::new(template);
    for number in 1..=count {
        bed.node(&format!("s{number}"), "10.0.0.1", BACKEND);
    }
    for (name, value) in bad {
        bed.node(name, "10.0.0.1", &[("role", "backend"), ("n", value)]);
    }
    bed
}
