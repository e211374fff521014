use super::*;
use crate::context::object;
use tera::Context;

fn render(template: &str) -> Result<String, String> {
    let mut tera = Tera::new();
    let effects = Effects::new(SideFiles::of(None));
    register(&mut tera, &effects);
    tera.add_raw_template("t", template).map_err(|err| err.to_string())?;
    let tags = Value::from(BTreeMap::from([("port", "0")]));
    let name = Value::from("s1");
    let mut context = Context::new();
    context.insert_value("bad", object([("name", name), ("address", Value::from("::1")), ("tags", tags)]));
    let text = tera.render("t", &context).map_err(|err| err.to_string())?;
    Ok(effects.unservable.take().into_iter().fold(text, |text, (name, why)| format!("{text}; {name}: {why}")))
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
    assert!(render("{{ 'localhost' | endpoint(port=80) }}").unwrap_err().contains("is not an IP address"));
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
    let template = "{% for s in [bad, bad] | server(port=1, port_tag='none') %}{{ s.endpoint }} {% endfor %}";
    assert_eq!(render(template).unwrap(), "[::1]:1 [::1]:1 ");
    for bad in ["[bad, 1] | server(port=1)", "1 | server(port=1)", "[bad] | server(port=0)"] {
        assert!(render(&format!("{{{{ {bad} }}}}")).is_err(), "{bad}");
    }
    assert_eq!(render("{{ [] | server(port=1) | length }}").unwrap(), "0");
}

#[test]
fn servers_are_only_the_usable_ones_and_the_others_are_reported() {
    let good = "{'name': 's2', 'address': '10.0.0.2', 'tags': {}}";
    let template =
        format!("{{% for s in [bad, {good}] | servers(port=1) %}}{{{{ s.endpoint }}}}{{% endfor %}}");
    assert_eq!(render(&template).unwrap(), "10.0.0.2:1; s1: its tag 'port' is '0', not 1 to 65535");
    assert!(render("{{ bad | servers(port=1) }}").is_err(), "one node is not a list");
}

#[test]
fn a_list_is_in_natural_order_and_a_value_without_the_attribute_comes_last() {
    let list = "[{'z': 's10'}, {}, {'z': 's2'}, {'z': 's1'}, {'z': 5}]";
    let template = format!(
        "{{% for x in {list} | sort(attribute='z') %}}{{{{ x.z | default(value='-') }}}} {{% endfor %}}"
    );
    assert_eq!(render(&template).unwrap(), "5 s1 s2 s10 - ");
    assert_eq!(render("{{ ['s10', 's9'] | sort | join(sep=' ') }}").unwrap(), "s9 s10");
    assert_eq!(render("{{ [10, 9, 1.5] | sort | join(sep=' ') }}").unwrap(), "1.5 9 10");
    let groups =
        "{% for zone, of in [{'z': 'z10'}, {'z': 'z9'}] | group_by(attribute='z') %}{{ zone }} {% endfor %}";
    assert_eq!(render(groups).unwrap(), "z9 z10 ");
}

#[test]
fn port_tag_names_the_tag_with_the_port() {
    let template = "{% set s = bad | server(port=1024, port_tag='peer_port') %}{{ s.endpoint }}";
    assert_eq!(render(template).unwrap(), "[::1]:1024");
}

#[test]
fn an_unknown_argument_is_refused_by_name() {
    for (filter, known) in [
        ("bad | server(port=1, x='')", "its arguments are port, port_tag"),
        ("[bad] | servers(port=1, x='')", "its arguments are port, port_tag"),
        ("'10.0.0.1' | endpoint(port=1, x='')", "it has 'port'"),
        ("[] | sort(x='')", "it has 'attribute'"),
        ("[] | group_by(attribute='a', x='')", "it has 'attribute'"),
        ("'a' | comment(x='')", "it has none"),
        ("'a' | logformat(x='')", "it has none"),
    ] {
        let err = render(&format!("{{{{ {filter} }}}}")).unwrap_err();
        assert!(err.contains(&format!("has no argument 'x'; {known}")), "{err}");
    }
}

#[test]
fn two_threads_find_the_same_as_one() {
    let node = |number: u32| {
        // Both are in the second half; the endpoint is taken in the first.
        let (address, port) =
            (if number == 1_900 { 7 } else { number }, if number == 1_800 { "0" } else { "80" });
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + address).to_string();
        let tags = Value::from(BTreeMap::from([("port", port)]));
        object([("name", format!("s{number}").into()), ("address", address.into()), ("tags", tags)])
    };
    let nodes: Vec<Value> = (1..=2_000).map(node).collect();
    let found = |is_kept: bool| {
        let unservable = endpoints::Unservable::default();
        if is_kept {
            unservable.keep_servers();
        }
        let pool = server_lines::Pool { name: "p", port: 1, port_tag: "port" };
        let servers = server_lines::servers(&nodes, &pool, &mut unservable.endpoints()).unwrap();
        (servers, unservable.take())
    };
    let (servers, problems) = found(false);
    assert_eq!((servers.clone(), problems.clone()), found(true));
    assert_eq!(servers.len(), nodes.len());
    let problems: Vec<&str> = problems.iter().flat_map(|(name, why)| [name.as_str(), why]).collect();
    let twice = "it serves the same address as 's7'";
    assert_eq!(problems, ["s1800", "its tag 'port' is '0', not 1 to 65535", "s1900", twice]);
}
