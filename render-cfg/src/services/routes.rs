//! The maps that lead a request to its service: one line for each host and path, so that a thousand services cost a
//! request no more than ten.
//!
//! A key is `HOST/PATH/`: the host in lower case, `*.PARENT` or `*`, and the path with a slash at its end. HAProxy looks
//! for the longest key that the request's own host and path begin with. The slash makes `/api` the beginning of `/api/x`
//! but not of `/apiary`.

use std::collections::BTreeMap;

use super::service::Service;
use crate::setting_path::Wrong;

/// The most lines of a map. A service with a thousand hosts and a thousand paths would have a million.
const ROUTES_MAX: usize = 100_000;

/// The map of the services with `mode: http`.
pub(super) fn http(services: &[&Service]) -> Result<String, Wrong> {
    let mut routes = Routes::default();
    for service in services {
        let hosts = or_one(service.texts("hosts"), "*");
        for host in &hosts {
            for path in or_one(service.texts("paths"), "/") {
                routes.add(service, format!("{}{}/", plain(host), path.trim_end_matches('/')))?;
            }
        }
    }
    Ok(routes.text())
}

/// The map of the services with `mode: tcp` that share a bind, by the host of TLS's SNI. Empty if none has a host.
pub(super) fn sni(services: &[&Service]) -> Result<String, Wrong> {
    let mut routes = Routes::default();
    for service in services {
        for host in service.texts("hosts") {
            routes.add(service, plain(host))?;
        }
    }
    Ok(routes.text())
}

/// A host in lower case, without the dot at its end.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn or_one<'t>(texts: Vec<&'t str>, one: &'t str) -> Vec<&'t str> {
    if texts.is_empty() { vec![one] } else { texts }
}

#[derive(Default)]
struct Routes<'s>(BTreeMap<String, &'s Service>);

impl<'s> Routes<'s> {
    fn add(&mut self, service: &'s Service, key: String) -> Result<(), Wrong> {
        match self.0.get(&key) {
            Some(other) if other.name == service.name => Ok(()),
            Some(other) if key == "*/" => Err(Wrong::new(
                &service.path,
                format!(
                    "service '{}' already gets all other requests; give this one hosts or paths",
                    other.name
                ),
            )),
            Some(other) => Err(Wrong::new(
                &service.path,
                format!(
                    "its requests to '{}' are already those of service '{}'",
                    key.strip_prefix('*').filter(|key| key.starts_with('/')).unwrap_or(&key),
                    other.name
                ),
            )),
            None if self.0.len() >= ROUTES_MAX => {
                Err(Wrong::new(&service.path, format!("there are more than {ROUTES_MAX} hosts and paths")))
            }
            None => {
                self.0.insert(key, service);
                Ok(())
            }
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|(key, service)| format!("{key} {}\n", service.name)).collect()
    }
}
