//! A visitor who keeps cookies like a browser and watches a counter in the session.
//!
//! The steady load keeps no cookies, so it cannot notice a lost session. This visitor can: each count must be one
//! more than the one before, whichever backend answers and whatever is killed in between.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::traffic::http::Client;
use crate::traffic::response::Failure;

/// A visitor, and the counter as last seen.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    cookies: BTreeMap<String, String>,
    views: u64,
    lost: u64,
}

/// What one visit showed.
#[derive(Clone, Debug)]
pub struct View {
    /// The backend's name.
    pub host: String,
    /// The counter.
    pub views: u64,
}

impl Visitor {
    /// A visitor without cookies.
    pub fn new(address: SocketAddr) -> Visitor {
        Visitor { client: Client::keep_alive(address), cookies: BTreeMap::new(), views: 0, lost: 0 }
    }

    /// Switches to another balancer; the cookies are kept.
    pub fn go_to(&mut self, address: SocketAddr) {
        self.client = Client::keep_alive(address);
    }

    /// `GET /` with the cookies. A counter that is not one more than the last counts as a lost session.
    pub fn visit(&mut self) -> Result<View, Failure> {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let headers = [("Cookie", cookie.as_str())];
        let headers = if cookie.is_empty() { &headers[..0] } else { &headers[..] };
        let answer = self.client.send("GET", "/", headers, b"")?.success()?;
        let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        for (_, line) in set {
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let json = answer.json();
        let views = json["sessionViews"].as_u64().unwrap_or(0);
        self.lost += u64::from(views != self.views + 1);
        self.views = views;
        Ok(View { host: json["host"].as_str().unwrap_or_default().to_owned(), views })
    }

    /// The counter.
    pub fn views(&self) -> u64 {
        self.views
    }

    /// How often the counter was not one more than before.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
