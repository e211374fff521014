//! The setting `tls`: certificates for the services of HTTP, and what goes with them.

use tera::{Kwargs, State, Tera, Value};

use super::shape::{Shape, get};
use crate::context::object;
use crate::filters::effects::Effects;
use crate::setting_path::{SettingPath, Wrong};
use crate::values::arguments::of_filter;
use crate::values::kinds::{BIND, Kind, PATH};

/// The setting.
const SETTING: &str = "tls";

/// An address of a server, which HAProxy need not resolve.
const ENDPOINT: Kind = Kind {
    name: "endpoint",
    is: |text| text.parse::<std::net::SocketAddr>().is_ok_and(|endpoint| endpoint.port() > 0),
    wanted: "an IP address with a port, such as '127.0.0.1:8402'",
};

const TLS: Shape = Shape::Table(&[
    ("bind", Shape::Text(&BIND)),
    ("certificates", Shape::List(&Shape::Text(&PATH))),
    ("redirect", Shape::OrOff(&Shape::Port)),
    ("hsts", Shape::OrOff(&Shape::Number(0, 315_360_000))),
    ("acme", Shape::OrOff(&Shape::Text(&ENDPOINT))),
]);

/// Registers the filter `tls`: `vars.tls | tls` is the checked setting with its defaults, or none.
pub(super) fn register(tera: &mut Tera, effects: &Effects) {
    let wrong = effects.wrong.clone();
    tera.register_filter("tls", move |given: Value, more: Kwargs, _: &State| {
        of_filter("tls", &more, &[])?;
        if given.is_undefined() || given.is_none() {
            return Ok(Value::none());
        }
        read(&given).map_err(|reason| wrong.refuse(reason))
    });
}

fn read(given: &Value) -> Result<Value, Wrong> {
    let path = SettingPath::of(SETTING);
    let tls = TLS.check(given, &path)?;
    let certificates = get(&tls, "certificates").and_then(Value::as_array).unwrap_or_default();
    if certificates.is_empty() {
        return Err(Wrong::new(&path, "it needs certificates, a file or a directory"));
    }
    let or = |key, default: Value| (key, get(&tls, key).cloned().unwrap_or(default));
    Ok(object([
        ("certificates", Value::from(certificates)),
        or("bind", Value::from(":443")),
        or("redirect", Value::from(443)),
        or("hsts", Value::from(false)),
        or("acme", Value::from(false)),
    ]))
}
