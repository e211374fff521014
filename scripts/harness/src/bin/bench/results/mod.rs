//! Times, how they are sampled, and how they are presented: the report, tables and charts.

pub mod chart;
pub mod figures;
pub mod machine;
pub mod report;
pub mod sampling;
pub mod timed_run;
