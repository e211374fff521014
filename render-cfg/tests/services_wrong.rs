//! Wrong settings of services: each is refused with its file, line and column, and the output is kept.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::fs;

use support::{Bed, SHIPPED};

/// Settings under `services:`, where the fault is, and what is said of it.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "  shop: {prot: 80}",
        "2:10",
        "setting 'services.shop.prot': there is no such setting; did you mean 'port'?",
    ),
    ("  shop: {port: 70000}", "2:10", "setting 'services.shop.port' is '70000', not a port, 1 to 65535"),
    (
        "  shop: {hosts: [a, 'b:80']}",
        "2:10",
        "'services.shop.hosts' is 'b:80', not a host name without a port",
    ),
    ("  a: {}\n  b: {}", "3:3", "service 'a' already gets all other requests; give this one hosts or paths"),
    ("  a: {hosts: x}\n  b: {hosts: X.}", "3:3", "its requests to 'x/' are already those of service 'a'"),
    ("  a: {paths: /x}\n  b: {paths: /x/}", "3:3", "its requests to '/x/' are already those of service 'a'"),
    ("  web: {}", "2:3", "setting 'services.web' is 'web', not a name of at most 64 letters"),
    ("  a.b: {}", "2:3", "not a name of at most 64 letters"),
    ("  a: {mode: tcp}", "2:3", "a service with mode tcp needs a bind, such as ':5432'"),
    (
        "  a: {mode: tcp, bind: ':1'}\n  b: {mode: tcp, bind: ':1'}",
        "3:18",
        "service 'a' already listens there; give one of them hosts",
    ),
    ("  a: {mode: tcp, bind: ':443 ssl'}", "2:18", "'services.a.bind' is ':443 ssl', not an address such as"),
    ("  a: {mode: tcp, bind: ':1', paths: /x}", "2:30", "only a service with mode http has this setting"),
    ("  a: {bind: ':1'}", "2:7", "only a service with mode tcp has this setting"),
    ("  a: {timeouts: {client: 1s}}", "2:18", "services of HTTP share one frontend, and so its timeout"),
    (
        "  a:\n    timeouts:\n      sever: 1s",
        "4:7",
        "'services.a.timeouts.sever': there is no such setting; did",
    ),
    ("  a: {check: mysql}", "2:7", "a service of HTTP is checked by http or tcp"),
    ("  a: {mode: tcp, bind: ':1', check: mysql}", "2:30", "a check by mysql needs check_user"),
    ("  a: {mode: tcp, bind: ':1', check: http}", "2:30", "a check by http needs check_path"),
    ("  a: {check: tcp, check_path: /x}", "2:19", "a check by tcp has no such setting; write check: http"),
    ("  a: {check_user: x}", "2:7", "only checks by postgresql and mysql have a user"),
    ("  a: {slowstart: 90}", "2:7", "'services.a.slowstart' is '90', not a time with a unit"),
    ("  a: {request_headers: {X: \"a\\nb\"}}", "2:25", "'services.a.request_headers.X' is 'a\\nb', not text"),
    ("  a: 5", "2:3", "setting 'services.a' is '5', not a table"),
    (
        "  a: {zone_min: 2}",
        "2:7",
        "setting 'services.a.zone_min': it needs the setting zone, the balancer's own zone",
    ),
    ("  a: {zone_min: 1}", "2:7", "'services.a.zone_min' is '1', not a whole number from 2 to 10000"),
    ("  a: {mode: tcp, bind: '127.0.0.1:80'}", "2:18", "another frontend already listens at '127.0.0.1:80'"),
    ("  a: {mode: tcp, bind: ':1'}\n  b: {mode: tcp, bind: '*:1,:2'}", "3:18", "already listens at '*:1'"),
    ("  a: {mode: tcp, bind: ':1', balance: uri}", "2:30", "it is only for services of HTTP"),
    ("  a: {slowstart: 5s, balance: source}", "2:22", "slowstart needs roundrobin, random or leastconn"),
    ("  a: {hosts: []}", "2:7", "it is empty: leave it out"),
    ("  a: {tags: {}}", "2:7", "it is empty: leave it out"),
    ("  a: {request_headers: {X-A: b, x-a: c}}", "2:33", "the header is there twice, in another case"),
    ("  a: {request_headers: {X: ''}}", "2:25", "is '', not text for a header"),
    ("  a: {versions: {v1: 0}}", "2:7", "at least one version needs a share above 0"),
    ("  a: {prefer: {header: X}}", "2:7", "it chooses among versions, which are missing"),
    ("  -f: {}", "2:3", "that begins with a letter or digit"),
    ("  {}", "1:1", "setting 'services': it has no service"),
];

#[test]
fn a_wrong_setting_is_refused_with_its_place() {
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    for (vars, place, reason) in WRONG {
        bed.assert_refused(&format!("services:\n{vars}\n"), place, reason);
    }
    let err = bed.render(&["--set", "services=x"]).ends(2).err;
    assert_eq!(err, "render-cfg: cannot use setting 'services': 'x' is not a table\n");
    bed.write("v.yaml", "services: {a: {}}\n");
    let err = bed.render(&["--vars", "v.yaml", "--set", "role=web"]).ends(2).err;
    assert!(err.contains("cannot use setting 'role': each service has its own role"), "{err}");
    assert_eq!(bed.leftovers(), ["v.yaml"]);
}

#[test]
fn a_place_is_in_the_last_file_that_has_the_setting() {
    let bed = Bed::new(&fs::read_to_string(SHIPPED).unwrap());
    bed.write("1.yaml", "services:\n  a:\n    port: 80\n    hosts: a\n");
    bed.write("2.toml", "[services.a]\nport = 0\n");
    bed.write("3.json", "{\"services\": {\"b\": {\"hosts\": \"b\"}}}");
    let files = ["--vars", "1.yaml", "--vars", "2.toml", "--vars", "3.json"];
    let err = bed.render(&files).ends(2).err;
    assert!(
        err.starts_with("render-cfg: cannot use '2.toml:2:1': setting 'services.a.port' is '0'"),
        "{err}"
    );
}
