//! Certificates, authorities and crt-lists that HAProxy takes through its socket, without a reload.
//!
//! HAProxy has one transaction for certificates, one for CA files and one for CRL files, each for all clients of the
//! socket, and a transaction outlives its connection. So a change first ends what a killed run left, and takes back
//! its own transaction whenever a step fails. Connections keep the certificate that they began with.
//!
//! A private key goes to the socket and nowhere else. HAProxy gets only PEM blocks that we have encoded again, because a
//! line between two blocks could be a command. Its answers are passed on only if they begin with a known phrase.

mod answers;
mod authorities;
mod certificate;
mod crt_list;
mod details;
mod names;
mod pem_blocks;
mod served;
mod socket_name;
mod transaction;

pub(crate) use authorities::{Authorities, replace_authorities};
pub(crate) use certificate::{Certificate, replace};
pub(crate) use crt_list::{ListEntry, add_to_list, remove_from_list};
pub(crate) use names::Names;
