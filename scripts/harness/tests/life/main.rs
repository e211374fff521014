//! The Debian package on machines with systemd: how it is installed, upgraded and removed, and what a reboot does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod removals;
mod upgrades;
