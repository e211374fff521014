//! Requests to the balancer: an HTTP client, steady load, and a visitor who keeps cookies.

mod answer_reader;

pub mod http;
pub mod load;
pub mod response;
pub mod visitor;
