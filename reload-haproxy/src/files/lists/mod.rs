use crate::files::applied::Applied;
use crate::servers::apply::Runtime;
use crate::servers::reason::Reason;
pub(crate) enum ListKind {
    Map,
    Acl,
}
pub(crate) struct List<'a> {
    pub(crate) kind: ListKind,
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}
pub(crate) fn replace(_runtime: &Runtime, _list: &List) -> Result<(Applied, usize), Reason> {
    Err(Reason::Loading)
}
