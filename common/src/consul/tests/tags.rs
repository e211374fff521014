//! Metadata, service tags, weights, role and port, and what is left out.

use super::*;

#[test]
fn service_tags_are_recorded_and_metadata_takes_precedence() {
    let words = [
        "primary",
        "a,b",
        "zone=tag",
        "version=3",
        "role=other",
        "port=1",
        "weight=7",
        "url prefix=/x",
        "",
        "primary",
    ];
    let member = one(instance(json!({ "Tags": words, "Meta": { "zone": "meta" } })));
    let tags = &node(&member).tags;
    assert_eq!(tags["tags"], "a,b,port=1,primary,role=other,url prefix=/x,weight=7");
    assert_eq!((tags["zone"].as_str(), tags["version"].as_str()), ("meta", "3"));
    assert_eq!((tags["role"].as_str(), tags["port"].as_str(), tags.get("weight")), ("web", "80", None));
    assert!(member.left_out.is_empty());
    for tags in [["k=2", "k=1", "b", "a"], ["a", "b", "k=1", "k=2"]] {
        let member = one(instance(json!({ "Tags": tags })));
        assert_eq!((node(&member).tags["k"].as_str(), node(&member).tags["tags"].as_str()), ("1", "a,b"));
    }
    assert_eq!(node(&one(instance(json!({ "Tags": ["x"], "Meta": { "tags": "y" } })))).tags["tags"], "y");
}

#[test]
fn the_weight_is_that_of_the_present_health() {
    let weight = |passing: u64, warning: u64, status: &str| {
        let mut entry = instance(json!({ "Weights": { "Passing": passing, "Warning": warning } }));
        entry["Checks"] = json!([{ "Status": "passing" }, { "Status": status }]);
        node(&one(entry)).tags.get("weight").cloned()
    };
    assert_eq!(weight(10, 3, "passing").as_deref(), Some("10"));
    assert_eq!(weight(10, 3, "warning").as_deref(), Some("3"));
    assert_eq!(weight(10, 0, "warning").as_deref(), Some("0"));
    assert_eq!(weight(1, 1, "passing"), None);
    // So Consul's client writes an instance without weights.
    assert_eq!(weight(0, 0, "passing"), None);
    let both = json!({ "Weights": { "Passing": 10, "Warning": 3 }, "Meta": { "weight": "20" } });
    assert_eq!(node(&one(instance(both))).tags["weight"], "20");
}

#[test]
fn a_weight_in_the_metadata_that_is_not_one_is_left_out_alone() {
    let weights = json!({ "Passing": 10, "Warning": 3 });
    for odd in ["heavy", "300", "", "-1", "+1", " 1", "99999999999999999999"] {
        let member = one(instance(json!({ "Meta": { "weight": odd, "zone": "a" }, "Weights": weights })));
        let tags = &node(&member).tags;
        assert_eq!((tags["weight"].as_str(), tags["zone"].as_str()), ("10", "a"), "{odd}");
        let line = "cannot use tag 'weight' of 'n1-web': its value is not a number from 0 to 256; the node is recorded \
                    without it";
        assert_eq!(left_out(&member), [line], "{odd}");
    }
    for (good, recorded) in [("0", "0"), ("256", "256"), ("007", "7")] {
        let member = one(instance(json!({ "Meta": { "weight": good } })));
        assert_eq!((node(&member).tags["weight"].as_str(), left_out(&member).len()), (recorded, 0));
    }
}

#[test]
fn a_weight_above_the_highest_of_haproxy_becomes_the_highest() {
    let member = one(instance(json!({ "Weights": { "Passing": 1000, "Warning": 1 } })));
    assert_eq!(node(&member).tags["weight"], "256");
    assert_eq!(
        left_out(&member),
        [
            "cannot use weight 1000 of 'n1-web': HAProxy's highest weight is 256; the node is recorded with weight 256"
        ]
    );
}

#[test]
fn an_odd_value_is_left_out_alone() {
    let long = "v".repeat(513);
    let member = one(instance(json!({
        "Meta": { "a": "x\ny", "b": long, "c d": "v", "e": 5, "f": null, "good": "v" },
        "Tags": ["fine", "odd\u{1b}[31m", 7, "k=x\ny", long],
        "Weights": { "Passing": "ten" },
    })));
    let tags: Vec<String> = node(&member).tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["good=v", "port=80", "role=web", "tags=fine"]);
    let long = format!("{}…", "v".repeat(64));
    assert_eq!(
        left_out(&member),
        [
            "tag 'a' of 'n1-web': its value has a control character; the node is recorded without it",
            "tag 'b' of 'n1-web': its value is longer than 512 bytes; the node is recorded without it",
            "tag 'c d' of 'n1-web': its key has a character other than letters, digits, '.', '_' and '-'; the node is \
             recorded without it",
            "tag 'e' of 'n1-web': its value is not text; the node is recorded without it",
            "tag 'f' of 'n1-web': its value is not text; the node is recorded without it",
            "service tag '7' of 'n1-web': it is not text; the node is recorded without it",
            "tag 'k' of 'n1-web': its value has a control character; the node is recorded without it",
            "service tag 'odd\\u{1b}[31m' of 'n1-web': it has a control character; the node is recorded without it",
            &format!("service tag '{long}' of 'n1-web': it is longer than 512 bytes; the node is recorded without it"),
            "the weights of 'n1-web': they are not numbers; the node is recorded without them",
        ]
        .map(|line| format!("cannot use {line}"))
    );
}

#[test]
fn fields_of_another_kind_cost_that_field() {
    let member = one(instance(json!({ "Meta": ["x"], "Tags": "x", "Weights": [1] })));
    assert_eq!(node(&member).tags.len(), 2);
    assert_eq!(left_out(&member).len(), 2, "{:?}", left_out(&member));
}

/// A record has a limit, and any number of service tags may be registered.
#[test]
fn the_number_of_tags_and_the_length_of_words_are_limited() {
    let mut tags: Vec<String> = (0..2000).map(|n| format!("k{n}=v")).collect();
    tags.extend((0..300).map(|n| format!("word{n}")));
    let member = one(instance(json!({ "Tags": tags })));
    assert_eq!(node(&member).tags.len(), 128 + 3);
    assert!(node(&member).tags["tags"].len() <= 512);
    assert!(
        left_out(&member)
            .iter()
            .any(|line| line.contains("tag 'k128' of 'n1-web': the record has 128 tags already"))
    );
    assert!(
        left_out(&member).iter().any(|line| line.contains("it does not fit into 512 bytes with the others"))
    );
}

/// With a default in their place it would serve somewhere else.
#[test]
fn an_instance_with_an_odd_role_or_port_is_refused_by_name() {
    for (fields, reason) in [
        (json!({ "Port": 70000 }), "its tag 'port' is not a number from 1 to 65535"),
        (json!({ "Port": -1 }), "its tag 'port' is not a number from 1 to 65535"),
        (json!({ "Port": 0, "Meta": { "port": "none" } }), "its tag 'port' is not a number from 1 to 65535"),
        (json!({ "Meta": { "role": "a\nb" } }), "its tag 'role' has a control character"),
        (json!({ "Meta": { "role": 7 } }), "its tag 'role' is not text"),
    ] {
        let start = "cannot record 'n1/web' of the list of consul services: ";
        let whole = format!("{start}{reason}; correct the service's registration");
        assert_eq!(refusal_of(instance(fields)), whole);
    }
    assert_eq!(node(&one(instance(json!({ "Port": 0, "Meta": { "port": "081" } })))).tags["port"], "81");
}
