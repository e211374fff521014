//! Requests to the balancer: an HTTP client, load that is steady or varied, and a visitor who keeps cookies.

mod answer_reader;

pub mod http;
pub mod load;
pub mod response;
pub mod tls_load;
pub mod varied_load;
pub mod visitor;
