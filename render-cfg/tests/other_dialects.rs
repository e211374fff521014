//! What users of Tera 1 and of Jinja write: each fault has a remedy in its line, and each replacement in the manual
//! works.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use support::Bed;

fn bed(template: &str) -> Bed {
    let bed = Bed::new(template);
    bed.node("s1", "10.0.0.1", &[("role", "web-api"), ("zone", "a")]);
    bed.node("s2", "10.0.0.2", &[("role", "backend")]);
    bed
}

/// What fails, and what the line says to write instead.
const FAULTS: &[(&str, &str)] = &[
    ("{% for n in nodes if n.tags.zone %}{% endfor %}", "[node for node in nodes if node.tags.zone]"),
    ("{% for n in roles.web-api %}{% endfor %}", "write roles[\"web-api\"]"),
    ("{{ nodes[0].tags.check-port }}", "write nodes[0].tags[\"check-port\"]"),
    ("{% for n in roles.web %}{% endfor %}", "write `or []` after it"),
    ("{{ nodes[1].tags.zone }}", "write | default(value=\"x\")"),
    ("{{ vars.x }}", "set it with --set"),
    (
        "{% for n in nodes %}{{ n.address | endpoint(port=n.tags.port) }}{% endfor %}",
        "port=node.tags.port | default(",
    ),
    ("{% macro line(name) %}{% endmacro %}", "{% component name(x) %}"),
    ("{% import 'x' as y %}", "only one template file"),
    ("{% include 'x' %}", "only one template file"),
    ("{% extends 'x' %}", "only one template file"),
    ("{% with x = 1 %}{% endwith %}", "{% set %}"),
    ("{% do x %}", "{% set %}"),
    ("{% if true %}{% elseif true %}{% endif %}", "{% elif %}"),
    ("{% frobnicate %}", "'frobnicate' is not a tag; the tags are if, elif, else, for"),
    ("{{ nodes | map(attribute='name') }}", "[node.name for node in nodes]"),
    ("{{ nodes | filter(attribute='role', value='web') }}", "if node.role == \"web\"]"),
    ("{{ nodes | selectattr('tags.zone') }}", "an argument has a name"),
    ("{{ 'x' | slugify }}", "`is name`"),
    ("{{ 'x' | date }}", "no time"),
    ("{{ 'x' | frobnicate }}", "manual lists all of them"),
    ("{{ 'x' | default('y') }}", "default(value=\"x\")"),
    ("{% if 'x' is starting_with('x') %}{% endif %}", "starting_with(pat=\"x\")"),
    ("{% if 'x' is matching('x') %}{% endif %}", "starting_with(pat=\"x\")"),
    ("{% if nodes is sequence %}{% endif %}", "write is array"),
    ("{% if nodes is object %}{% endif %}", "write is map"),
    ("{{ get_env(name='HOME') }}", "write env.NAME"),
    ("{{ now() }}", "no time"),
    ("{{ frobnicate(x=1) }}", "manual lists all of them"),
    ("{% for k, v in nodes[0].tags.items() %}{% endfor %}", "{% for key, value in map %}"),
    ("{{ nodes.0.name }}", "write list[0]"),
    ("{% if true && true %}{% endif %}", "write and"),
    ("{% if true || true %}{% endif %}", "write or"),
    ("{% if !true %}{% endif %}", "write not"),
    ("{{ true ? 1 : 2 }}", "write a if condition else b"),
];

#[test]
fn a_fault_from_another_dialect_has_a_remedy_in_its_line() {
    for (template, remedy) in FAULTS {
        let err = bed(template).run(&[]).ends(3).err;
        let first = err.lines().next().unwrap();
        assert!(first.contains("cannot render 't.tera") && first.contains(remedy), "{template}\n{err}");
    }
}

#[test]
fn what_the_manual_tells_to_write_works() {
    for (template, text) in [
        ("{% for n in [n for n in nodes if n.tags.zone] %}{{ n.name }}{% endfor %}", "s1"),
        ("{{ [n.name for n in nodes if n.role == \"backend\"] | join(sep=\",\") }}", "s2"),
        (
            "{% component line(name) %}server {{ name }}{% endcomponent %}{{<line name={nodes[0].name} />}}",
            "server s1",
        ),
        ("{{ vars.x | default(value=\"x\") }}{% if \"x\" is starting_with(pat=\"x\") %}y{% endif %}", "xy"),
        (
            "{% for key, value in nodes[0].tags %}{{ key }}={{ value | upper }} {% endfor %}",
            "role=WEB-API zone=A ",
        ),
        ("{{ nodes[0].name }}{{ roles[\"web-api\"][0].name }}", "s1s1"),
        ("{% for n in roles.none or [] %}{% else %}nobody{% endfor %}", "nobody"),
        ("{% set n = 0 %}{% for x in nodes %}{% set_global n = n + 1 %}{% endfor %}{{ n }}", "2"),
        ("{% if false %}{% elif true and (false or not false) %}{{ 1 if true else 2 }}{% endif %}", "1"),
        ("{{ [...[1, 2], 3] | length }}{{ [1, 2, 3][:2] | length }}", "32"),
        ("{{ {\"a\": 1} is map }}{{ 4 is divisible_by(divisor=2) }}", "truetrue"),
        ("{{ \"a1\" is matching(pat=\"^[a-z]+$\") }}{{ env.DIALECT }}", "falseenv"),
        ("{% for n in nodes %}{{ loop.index }}{{ loop.last }} {% endfor %}", "1false 2true "),
    ] {
        let output = bed(template).command(&[]).env("DIALECT", "env").output();
        assert_eq!(support::Ran::from(output.unwrap()).quietly(), text, "{template}");
    }
}

#[test]
fn a_missing_directory_is_named_and_not_a_lock() {
    let bed = bed("x");
    for more in [&[][..], &["--dry-run"], &["--diff"]] {
        let err = bed.run(&[&["--output", "none/of/these/h.cfg"], more].concat()).ends(4).err;
        let reason = "the directory 'none/of/these' does not exist; create it with mkdir -p 'none/of/these'";
        assert_eq!(err, format!("render-cfg: cannot write 'none/of/these/h.cfg': {reason}\n"));
    }
    let err = bed.run(&["--nodes", "none"]).ends(4).err;
    assert!(err.contains("the directory does not exist; create it with mkdir -p none"), "{err}");
}
