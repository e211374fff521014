//! One entry of the list: a service's instance, with its node and its checks.
//!
//! Consul writes `null` for most empty fields, and older versions leave fields out. Metadata, tags, weights and the
//! port are kept as any JSON value and judged later, so that one bad value does not make the entry unreadable.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::members::Departure;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instance {
    node: ConsulNode,
    service: Service,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConsulNode {
    node: String,
    address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: Option<String>,
    service: Option<String>,
    address: Option<String>,
    #[serde(default)]
    port: Value,
    #[serde(default)]
    meta: Value,
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    weights: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID")]
    id: Option<String>,
    status: Option<String>,
}

/// The check of a node that Consul makes by gossip.
const GOSSIP: &str = "serfHealth";

impl Instance {
    /// The name of its node, which may be any text.
    pub(super) fn node(&self) -> &str {
        &self.node.node
    }

    /// Its id, which may be any text. It is unique on its node.
    pub(super) fn id(&self) -> &str {
        self.service.id.as_deref().unwrap_or_default()
    }

    /// The service's address, or else the node's; empty if neither has one.
    pub(super) fn address(&self) -> &str {
        let addresses = [&self.service.address, &self.node.address];
        addresses.into_iter().flatten().find(|address| !address.is_empty()).map_or("", String::as_str)
    }

    /// The metadata's `role`, or else the service's name; `None` if that `role` is not text.
    pub(super) fn role(&self) -> Option<&str> {
        match &self.service.meta["role"] {
            Value::Null => Some(self.service.service.as_deref().unwrap_or_default()),
            role => role.as_str(),
        }
    }

    /// The service's port, or else the metadata's, unchecked. Consul writes 0 for a service without a port.
    pub(super) fn port(&self) -> Option<String> {
        let ports = [&self.service.port, &self.service.meta["port"]];
        ports.into_iter().find(|port| !port.is_null() && **port != 0).map(text)
    }

    /// Its metadata; `None` if it is not an object.
    pub(super) fn metadata(&self) -> Option<Map<String, Value>> {
        match &self.service.meta {
            Value::Null => Some(Map::new()),
            metadata => metadata.as_object().cloned(),
        }
    }

    /// Its service tags; `None` if they are not a list.
    pub(super) fn service_tags(&self) -> Option<&[Value]> {
        match &self.service.tags {
            Value::Null => Some(&[]),
            tags => tags.as_array().map(Vec::as_slice),
        }
    }

    /// The weight for its present health; `None` if it is not a number. Consul rejects a `Passing` weight of 0, but its
    /// own client writes zeros if it was given no weights. Then the weight is Consul's default, 1.
    pub(super) fn weight(&self) -> Option<u64> {
        let number = |key| match &self.service.weights[key] {
            Value::Null => Some(1),
            weight => weight.as_u64(),
        };
        match (number("Passing")?, number("Warning")?) {
            (0, _) => Some(1),
            (_, warning) if self.has_check("warning") => Some(warning),
            (passing, _) => Some(passing),
        }
    }

    /// How it is not in service; `None` if no check is critical. Maintenance is a critical check too.
    pub(super) fn departure(&self) -> Option<Departure> {
        let mut critical = self.checks.iter().flatten().filter(|check| check.is("critical")).peekable();
        critical.peek()?;
        let is_gossip = |check: &Check| check.id.as_deref() == Some(GOSSIP);
        Some(if critical.all(is_gossip) { Departure::Failed } else { Departure::OutOfService })
    }

    fn has_check(&self, status: &str) -> bool {
        self.checks.iter().flatten().any(|check| check.is(status))
    }
}

impl Check {
    fn is(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }
}

/// A string's content, or the JSON of any other value.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
