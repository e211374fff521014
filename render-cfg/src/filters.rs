//! The filters that a template for haproxy.cfg needs beyond those of Tera. Each one checks its input, so its output
//! need not be checked again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use crate::endpoints::Unservable;
use crate::server_filter::{given_port, servers};
use crate::values;
use render_cfg::escape::comment;

/// Registers the filters. `unservable` collects the nodes that cannot be served.
pub(crate) fn register(tera: &mut Tera, unservable: &Unservable) {
    let unservable = unservable.clone();
    values::register(tera);
    tera.register_filter("endpoint", endpoint);
    tera.register_filter("server", move |nodes: Value, given: Kwargs, _: &State| {
        servers(&nodes, &given, &mut unservable.endpoints())
    });
    tera.register_filter("logformat", |text: &str, _: Kwargs, _: &State| text.replace('%', "%%"));
    tera.register_filter("group_by", group_by);
    tera.register_filter("comment", |text: &str, _: Kwargs, _: &State| Value::safe_string(&comment(text)));
}

/// `address | endpoint(port=3000)`: `10.0.0.1:3000`, or `[fd00::1]:3000`. Both parts have been checked, so
/// the result is not escaped.
fn endpoint(address: &str, given: Kwargs, _: &State) -> TeraResult<Value> {
    let port = given_port(&given)?;
    let address: IpAddr =
        address.parse().map_err(|_| Error::message(format!("'{address}' is not an IP address")))?;
    Ok(Value::safe_string(&SocketAddr::new(address, port).to_string()))
}

/// `nodes | group_by(attribute="tags.zone")`: one list for each value, sorted by value. Tera's own filter returns the
/// groups in random order, so the same nodes would give different texts; and it fails if a node lacks the attribute.
fn group_by(all: &[Value], given: Kwargs, _: &State) -> TeraResult<Value> {
    let attribute = given.must_get::<&str>("attribute")?;
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in all {
        if let Some(value) = one.get_from_path(attribute).filter(|value| !value.is_none()) {
            groups.entry(value.to_string()).or_default().push(one.clone());
        }
    }
    Ok(Value::from(groups))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::object;
    use tera::Context;

    fn render(template: &str) -> Result<String, String> {
        let mut tera = Tera::new();
        let unservable = Unservable::default();
        register(&mut tera, &unservable);
        tera.add_raw_template("t", template).map_err(|err| err.to_string())?;
        let tags = Value::from(BTreeMap::from([("port", "0")]));
        let name = Value::from("s1");
        let mut context = Context::new();
        context
            .insert_value("bad", object([("name", name), ("address", Value::from("::1")), ("tags", tags)]));
        let text = tera.render("t", &context).map_err(|err| err.to_string())?;
        Ok(unservable.take().into_iter().fold(text, |text, (name, why)| format!("{text}; {name}: {why}")))
    }

    #[test]
    fn groups_are_sorted_and_omit_nodes_without_the_attribute() {
        let zones = "[{'z': 'c'}, {'z': 'a', 'n': 1}, {}, {'z': 'b'}, {'z': 'a', 'n': 2}, {'z': 'd'}]";
        let template = format!(
            "{{% set all = {zones} | group_by(attribute='z') %}}{{% for zone, of in all %}}{{{{ zone }}}}{{{{ of | \
             length }}}} {{% endfor %}}"
        );
        assert_eq!(render(&template).unwrap(), "a2 b1 c1 d1 ");
    }

    #[test]
    fn an_endpoint_has_a_checked_port_and_ipv6_in_brackets() {
        assert_eq!(render("{{ '10.0.0.1' | endpoint(port=3000) }}").unwrap(), "10.0.0.1:3000");
        assert_eq!(render("{{ 'fd00::1' | endpoint(port='80') }}").unwrap(), "[fd00::1]:80");
        for bad in ["0", "65536", "-1", "'80 x'", "''", "1.5", "true"] {
            assert!(render(&format!("{{{{ '10.0.0.1' | endpoint(port={bad}) }}}}")).is_err(), "{bad}");
        }
        assert!(
            render("{{ 'localhost' | endpoint(port=80) }}").unwrap_err().contains("is not an IP address")
        );
        assert!(render("{{ '10.0.0.1' | endpoint }}").unwrap_err().contains("port"));
    }

    #[test]
    fn logformat_doubles_a_percent_sign() {
        assert_eq!(render("{{ '100%[src]' | logformat }}").unwrap(), "100%%[src]");
    }

    #[test]
    fn a_node_that_cannot_be_served_has_a_problem_and_is_reported_once() {
        let template =
            "{% set s = bad | server(port=80) %}{{ s.problem }}{{ bad | server(port=1) | get(key='name') }}";
        let sentence = "its tag 'port' is '0', not 1 to 65535";
        assert_eq!(render(template).unwrap(), format!("{sentence}s1; s1: {sentence}"));
    }

    #[test]
    fn server_of_a_list_is_a_list() {
        let template =
            "{% for s in [bad, bad] | server(port=1, port_tag='none') %}{{ s.endpoint }} {% endfor %}";
        assert_eq!(render(template).unwrap(), "[::1]:1 [::1]:1 ");
        for bad in ["[bad, 1] | server(port=1)", "1 | server(port=1)", "[bad] | server(port=0)"] {
            assert!(render(&format!("{{{{ {bad} }}}}")).is_err(), "{bad}");
        }
        assert_eq!(render("{{ [] | server(port=1) | length }}").unwrap(), "0");
    }

    #[test]
    fn port_tag_names_the_tag_with_the_port() {
        let template = "{% set s = bad | server(port=1024, port_tag='peer_port') %}{{ s.endpoint }}";
        assert_eq!(render(template).unwrap(), "[::1]:1024");
    }
}
