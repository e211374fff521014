//! Times, how they are sampled, and how they are presented: the report, the tables and the files of figures.

pub mod figures;
pub mod machine;
pub mod report;
pub mod sampling;
pub mod timed_run;
