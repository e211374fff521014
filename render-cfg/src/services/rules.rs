//! What the settings of one service must have together: a setting that would do nothing is an error.

use std::collections::BTreeSet;

use tera::Value;

use super::keys::{CHECKS_OF_TCP, OF_HTTP, OF_TCP};
use super::service::Service;
use super::shape::get;
use crate::setting_path::Wrong;

/// Fails at the first setting that does not go with the others.
pub(super) fn check(service: &Service) -> Result<(), Wrong> {
    let (others, mode) = if service.is_tcp() { (&OF_HTTP[..], "http") } else { (&OF_TCP[..], "tcp") };
    if let Some(key) = others.iter().find(|key| service.get(key).is_some()) {
        return Err(Wrong::new(
            &service.path(key),
            format!("only a service with mode {mode} has this setting"),
        ));
    }
    timeouts(service)?;
    checks(service)?;
    versions(service)?;
    algorithm(service)?;
    headers(service)?;
    if !service.is_tcp() {
        return Ok(());
    }
    if service.get("bind").is_none() {
        return Err(Wrong::new(&service.path, "a service with mode tcp needs a bind, such as ':5432'"));
    }
    Ok(())
}

fn timeouts(service: &Service) -> Result<(), Wrong> {
    let key = if service.is_tcp() { "tunnel" } else { "client" };
    if service.get("timeouts").and_then(|timeouts| get(timeouts, key)).is_none() {
        return Ok(());
    }
    let reason = match key {
        "client" => "services of HTTP share one frontend, and so its timeout; only mode tcp has this setting",
        _ => "only a service with mode http has this setting",
    };
    Err(Wrong::new(&service.path("timeouts").at(key), reason))
}

fn checks(service: &Service) -> Result<(), Wrong> {
    let check = service.text("check").unwrap_or(if service.is_tcp() { "tcp" } else { "http" });
    let wrong = |key: &str, reason: String| Err(Wrong::new(&service.path(key), reason));
    if !service.is_tcp() && CHECKS_OF_TCP.contains(&check) {
        return wrong("check", "a service of HTTP is checked by http or tcp".to_owned());
    }
    for key in ["check_path", "check_host", "check_method"] {
        if check != "http" && service.get(key).is_some() {
            return wrong(key, format!("a check by {check} has no such setting; write check: http"));
        }
    }
    let has_user = matches!(check, "postgresql" | "mysql");
    if !has_user && service.get("check_user").is_some() {
        return wrong("check_user", "only checks by postgresql and mysql have a user".to_owned());
    }
    if has_user && service.get("check_user").is_none() {
        return wrong(
            "check",
            format!("a check by {check} needs check_user, the name of a user of the database"),
        );
    }
    if service.is_tcp() && check == "http" && service.get("check_path").is_none() {
        return wrong("check", "a check by http needs check_path".to_owned());
    }
    Ok(())
}

/// Some algorithms look at requests, which a service of TCP does not see, and some ignore the weights of slow start.
fn algorithm(service: &Service) -> Result<(), Wrong> {
    let Some(balance) = service.text("balance") else { return Ok(()) };
    let wrong = |reason: &str| Err(Wrong::new(&service.path("balance"), reason));
    if service.is_tcp() && is_of_http(balance) {
        return wrong("it is only for services of HTTP");
    }
    let has_weights = matches!(balance, "roundrobin" | "leastconn") || balance.starts_with("random");
    match service.get("slowstart") {
        Some(_) if !has_weights => wrong("slowstart needs roundrobin, random or leastconn"),
        _ => Ok(()),
    }
}

/// Whether an algorithm looks at requests.
pub(super) fn is_of_http(balance: &str) -> bool {
    balance == "uri" || balance.starts_with("hdr")
}

/// HAProxy compares the names of headers without case, so two settings would be about one header.
fn headers(service: &Service) -> Result<(), Wrong> {
    for key in ["request_headers", "response_headers"] {
        let mut seen = BTreeSet::new();
        let names = service.get(key).and_then(Value::as_map).into_iter().flatten();
        for name in names.filter_map(|(name, _)| name.as_str()) {
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(Wrong::new(
                    &service.path(key).at(name),
                    "the header is there twice, in another case",
                ));
            }
        }
    }
    Ok(())
}

fn versions(service: &Service) -> Result<(), Wrong> {
    let versions = service.get("versions").and_then(Value::as_map);
    let wrong = |key: &str, reason: &str| Err(Wrong::new(&service.path(key), reason));
    let Some(versions) = versions else {
        return match service.get("prefer") {
            Some(_) => wrong("prefer", "it chooses among versions, which are missing"),
            None => Ok(()),
        };
    };
    if versions.values().all(|share| share.as_u64() == Some(0)) {
        return wrong("versions", "at least one version needs a share above 0");
    }
    if service.get("prefer").and_then(Value::as_map).is_some_and(|prefer| prefer.is_empty()) {
        return wrong("prefer", "it needs a header or a cookie");
    }
    match service.text("balance") {
        Some(balance) if balance != "roundrobin" && !balance.starts_with("random") => wrong(
            "balance",
            "shares of versions need roundrobin or random; others do not spread requests by weight alone",
        ),
        _ => Ok(()),
    }
}

/// The timeout of the clients of a bind, of which there is at most one.
pub(super) fn client_timeout<'s>(group: &[&'s Service]) -> Result<Option<&'s str>, Wrong> {
    let mut found: Option<(&Service, &str)> = None;
    for service in group {
        let timeout =
            service.get("timeouts").and_then(|timeouts| get(timeouts, "client")).and_then(Value::as_str);
        match (found, timeout) {
            (Some((first, known)), Some(timeout)) if known != timeout => {
                let reason = format!("service '{}' has the same bind and a different timeout", first.name);
                return Err(Wrong::new(&service.path("timeouts").at("client"), reason));
            }
            (None, Some(timeout)) => found = Some((service, timeout)),
            _ => {}
        }
    }
    Ok(found.map(|(_, timeout)| timeout))
}
