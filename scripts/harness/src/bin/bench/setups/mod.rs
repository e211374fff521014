//! What the benches measure: records, templates, balancers, and replacements for Serf and for backends.

pub mod balancer_of_1000;
pub mod balancer_of_files;
pub mod balancer_of_services;
pub mod balancer_with_handler;
pub mod changing_config;
pub mod fake_serf;
pub mod haproxy_versions;
pub mod node_records;
pub mod rare_checks_template;
pub mod reconcile_timer;
pub mod reloading;
pub mod responder;
