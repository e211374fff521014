use crate::files::applied::Applied;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
use std::time::SystemTime;
pub(crate) struct Certificate<'a> {
    pub(crate) name: &'a str,
    pub(crate) pem: Vec<u8>,
    pub(crate) issuer: Option<Vec<u8>>,
    pub(crate) ocsp: Option<Vec<u8>>,
    pub(crate) sctl: Option<Vec<u8>>,
}
pub(crate) fn replace(
    _runtime: &Runtime,
    _certificate: &Certificate,
    _now: SystemTime,
) -> Result<Applied, Reason> {
    Err(Reason::Loading)
}
pub(crate) enum Authorities {
    Ca,
    Crl,
}
pub(crate) fn replace_authorities(
    _runtime: &Runtime,
    _kind: Authorities,
    _name: &str,
    _pem: &[u8],
) -> Result<Applied, Reason> {
    Err(Reason::Loading)
}
pub(crate) struct ListEntry<'a> {
    pub(crate) list: &'a str,
    pub(crate) line: &'a str,
    pub(crate) certificate: Certificate<'a>,
}
pub(crate) fn add_to_list(
    _runtime: &Runtime,
    _entry: &ListEntry,
    _now: SystemTime,
) -> Result<Applied, Reason> {
    Err(Reason::Loading)
}
pub(crate) fn remove_from_list(_runtime: &Runtime, _list: &str, _name: &str) -> Result<Applied, Reason> {
    Err(Reason::Loading)
}
