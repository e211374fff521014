//! The filters that a template for haproxy.cfg needs beyond those of Tera. Each one checks its input, so its output
//! need not be checked again.

pub(crate) mod effects;
pub(crate) mod endpoints;
pub(crate) mod known_servers;
mod server;
pub(crate) mod server_lines;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tera::value::{Key, Map};
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use crate::escape::comment;
use crate::filters::effects::Effects;
use crate::filters::server_lines::{given_port, server_or_list, usable_servers};
use crate::natural::natural;
use crate::side_files::SideFiles;
use crate::values;
use crate::values::arguments::of_filter;

/// Registers the filters. `effects` collects what they leave besides their results.
pub(crate) fn register(tera: &mut Tera, effects: &Effects) {
    values::register(tera);
    tera.register_filter("endpoint", endpoint);
    let all = effects.unservable.clone();
    tera.register_filter("server", move |nodes: Value, given: Kwargs, _: &State| {
        of_filter("server", &given, &["port", "port_tag"])?;
        server_or_list(&nodes, &given, &mut all.endpoints())
    });
    let usable = effects.unservable.clone();
    tera.register_filter("servers", move |nodes: &[Value], given: Kwargs, _: &State| {
        of_filter("servers", &given, &["port", "port_tag"])?;
        usable_servers(nodes, &given, &mut usable.endpoints())
    });
    let files = effects.files.clone();
    tera.register_filter("file", move |text: &str, given: Kwargs, _: &State| file(text, &given, &files));
    tera.register_filter("logformat", logformat);
    tera.register_filter("group_by", group_by);
    tera.register_filter("sort", sort);
    tera.register_filter("comment", |text: &str, given: Kwargs, _: &State| -> TeraResult<Value> {
        of_filter("comment", &given, &[])?;
        Ok(Value::safe_string(&comment(text)))
    });
}

/// `text | file(name="routes.map")`: the path of a file with this text beside the output.
fn file(text: &str, given: &Kwargs, files: &SideFiles) -> TeraResult<Value> {
    of_filter("file", given, &["name"])?;
    let name = given.must_get::<&str>("name")?;
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    if !name.split_once('.').is_some_and(|(stem, ending)| is_word(stem) && is_word(ending)) {
        let wanted = "a name of letters, digits, '_' and '-', with an ending such as '.map'";
        return Err(Error::message(format!("the file's name '{name}' is not {wanted}")));
    }
    let path = files.add(name, text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./@+=~:".contains(&byte);
    match path.to_str().filter(|path| path.bytes().all(plain)) {
        Some(path) => Ok(Value::safe_string(path)),
        None => Err(Error::message(format!(
            "the path '{}' of a file beside the output has characters that HAProxy cannot take there; use another \
             directory for the output",
            path.display()
        ))),
    }
}

/// `text | logformat`: within a log format `%` begins a variable, and `%%` is a percent sign.
fn logformat(text: &str, given: Kwargs, _: &State) -> TeraResult<String> {
    of_filter("logformat", &given, &[])?;
    Ok(text.replace('%', "%%"))
}

/// `address | endpoint(port=3000)`: `10.0.0.1:3000`, or `[fd00::1]:3000`. Both parts have been checked, so
/// the result is not escaped.
fn endpoint(address: &str, given: Kwargs, _: &State) -> TeraResult<Value> {
    of_filter("endpoint", &given, &["port"])?;
    let port = given_port(&given)?;
    let address: IpAddr =
        address.parse().map_err(|_| Error::message(format!("'{address}' is not an IP address")))?;
    Ok(Value::safe_string(&SocketAddr::new(address, port).to_string()))
}

/// `nodes | group_by(attribute="tags.zone")`: one list for each value, sorted by value. Tera's own filter returns the
/// groups in random order, so the same nodes would give different texts; and it fails if a node lacks the attribute.
fn group_by(all: &[Value], given: Kwargs, _: &State) -> TeraResult<Value> {
    of_filter("group_by", &given, &["attribute"])?;
    let attribute = given.must_get::<&str>("attribute")?;
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in all {
        if let Some(value) = one.get_from_path(attribute).filter(|value| !value.is_none()) {
            groups.entry(value.to_string()).or_default().push(one.clone());
        }
    }
    let mut groups: Vec<(String, Vec<Value>)> = groups.into_iter().collect();
    groups.sort_by(|(a, _), (b, _)| natural(a, b));
    let groups = groups.into_iter().map(|(value, group)| (Key::from(value), Value::from(group)));
    Ok(Value::from(groups.collect::<Map>()))
}

/// `nodes | sort(attribute="tags.zone")`: text is in natural order, and a value without the attribute comes last.
/// Tera's own filter sorts by bytes, and fails if a node lacks the attribute.
fn sort(all: &[Value], given: Kwargs, _: &State) -> TeraResult<Vec<Value>> {
    of_filter("sort", &given, &["attribute"])?;
    let attribute = given.get::<&str>("attribute")?;
    let key = |value: &Value| match attribute {
        Some(attribute) => value.get_from_path(attribute).filter(|value| !value.is_none()).cloned(),
        None => Some(value.clone()),
    };
    let mut sorted: Vec<(Option<Value>, &Value)> = all.iter().map(|value| (key(value), value)).collect();
    sorted.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => natural(a, b),
            _ => a.cmp(b),
        },
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    Ok(sorted.into_iter().map(|(_, value)| value.clone()).collect())
}

#[cfg(test)]
mod tests;
