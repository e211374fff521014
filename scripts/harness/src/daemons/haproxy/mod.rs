//! HAProxy: an instance in any of its modes, its sockets, and its servers.

mod command_socket;
mod instance;
mod server;
mod servers;
mod statistics;

pub use command_socket::ask;
pub use instance::{Haproxy, Mode, is_haproxy};
pub use server::Server;
pub use servers::{Servers, servers_in_service, servers_of};
pub use statistics::servers_in;
