//! The measures, one module for each measure or family of measures.

pub mod check_changes;
pub mod demo_tour;
pub mod files;
pub mod first_request;
pub mod member_events;
pub mod membership_changes;
pub mod others;
pub mod profile;
pub mod reload_haproxy;
pub mod render_cfg;
pub mod scale;
pub mod scaling_looks;
pub mod serf_handler;
pub mod services;
pub mod simulation;
pub mod three_steps;
pub mod watching;
pub mod whole_change;
