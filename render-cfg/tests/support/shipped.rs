//! The shipped template, rendered for a real HAProxy with addresses of its own.

use std::net::SocketAddr;

use super::haproxy::{HaProxy, check, free_address};
use super::{Bed, SHIPPED};

/// The file with settings that are not text.
const VARS: &str = "v.yaml";

/// A bed with the shipped template and addresses of its own.
pub struct Shipped {
    pub bed: Bed,
    pub web: SocketAddr,
    pub stats: SocketAddr,
}

impl Shipped {
    pub fn new() -> Shipped {
        let bed = Bed::new(&std::fs::read_to_string(SHIPPED).unwrap());
        Shipped { bed, web: free_address(), stats: free_address() }
    }

    /// With these settings, as YAML.
    pub fn with(vars: &str) -> Shipped {
        let shipped = Shipped::new();
        shipped.bed.write(VARS, vars);
        shipped
    }

    fn settings(&self) -> Vec<String> {
        let socket = self.bed.path("socket");
        vec![
            format!("bind={}", self.web),
            format!("stats_bind={}", self.stats),
            format!("admin_socket={}", socket.display()),
            "user=".to_owned(),
            "group=".to_owned(),
        ]
    }

    /// Renders with these additional settings. Asserts the exit code, and that HAProxy accepts the result without a warning.
    #[track_caller]
    pub fn render(&self, more: &[&str], code: i32) -> String {
        let text = self.render_unchecked(more, code);
        let (taken, said) = check(&self.bed.path("out"));
        assert!(taken && !said.contains("WARNING") && !said.contains("ALERT"), "{said}");
        text
    }

    /// Renders with these additional settings. Asserts the exit code.
    #[track_caller]
    pub fn render_unchecked(&self, more: &[&str], code: i32) -> String {
        let settings = self.settings();
        let arguments: Vec<&str> = settings
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .flat_map(|s| ["--set", s])
            .chain(["--vars", VARS].into_iter().take(if self.bed.path(VARS).exists() { 2 } else { 0 }))
            .collect();
        self.bed.render(&arguments).ends(code);
        self.bed.read("out")
    }

    pub fn start(&self, more: &[&str], code: i32) -> HaProxy {
        self.render(more, code);
        HaProxy::start(&self.bed.path("out"), &self.bed.path("socket"))
    }

    pub fn backend(&self, name: &str, address: SocketAddr, tags: &[(&str, &str)]) {
        self.node(name, address, &[&[("role", "backend")], tags].concat());
    }

    /// A node that serves at this address.
    pub fn node(&self, name: &str, address: SocketAddr, tags: &[(&str, &str)]) {
        let port = address.port().to_string();
        let tags = [&[("port", &*port)], tags].concat();
        self.bed.node(name, &address.ip().to_string(), &tags);
    }
}
