//! The property of `decision` for inputs that are always valid configurations: bytes choose the servers of two files
//! and of a HAProxy that an operator may have changed.

use crate::decision;

const ROWS: &str =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port\n";
const BALANCE: [&str; 4] = ["leastconn", "roundrobin", "random(2)", "source"];
const DEFAULTS: [&str; 4] =
    ["", "  default-server check inter 1s weight 3\n", "  default-server backup\n", ""];
const OPTIONS: [&str; 8] =
    ["", " check", " backup", " disabled", " check inter 2000", " check disabled", "", " fall 3"];
const WEIGHTS: [&str; 4] = ["", " weight 0", " weight 256", " weight 7"];
const LIMITS: [&str; 4] = ["", " maxconn 0", " maxconn 9", ""];
const VERSIONS: [&str; 4] = ["2.4.0", "2.6.12", "3.0.11", "3.2.10"];

/// Checks the property for the configurations that these bytes choose.
pub(crate) fn holds(bytes: &[u8]) {
    let mut choices = Choices(bytes.iter());
    let head = choices.next();
    let mut files = [String::new(), String::new()];
    let mut rows = ROWS.to_owned();
    for file in &mut files {
        *file = format!("defaults\n  mode http\n{}", choices.of(DEFAULTS));
    }
    for backend in ["a", "b"] {
        let (balance, defaults) = (choices.of(BALANCE), choices.of(DEFAULTS));
        for file in &mut files {
            *file += &format!("backend {backend}\n  balance {balance}\n{defaults}");
        }
        while let Some(choice) = choices.server() {
            choice.write(backend, &mut files, &mut rows);
        }
    }
    // If there is no answer, HAProxy has the servers of the old file.
    let rows = if head & 4 == 0 { rows + "\n" } else { String::new() };
    let [old, new] = files;
    let version = VERSIONS[usize::from(head & 3)];
    decision::holds(format!("{version}\n%%\n{old}%%\n{new}%%\n{rows}").as_bytes());
}

/// The input bytes, followed by endless zeros.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn of(&mut self, all: [&'static str; 4]) -> &'static str {
        all[usize::from(self.next() & 3)]
    }

    /// The next server of the backend; `None` at a byte of zero.
    fn server(&mut self) -> Option<Server> {
        let place = self.next();
        (place != 0).then(|| Server { place, old: self.next(), new: self.next(), live: self.next() })
    }
}

/// A server: its address, and its options in each file and in HAProxy.
struct Server {
    place: u8,
    old: u8,
    new: u8,
    live: u8,
}

impl Server {
    fn write(&self, backend: &str, files: &mut [String; 2], rows: &mut String) {
        let name = format!("s{}", self.place >> 3);
        let is_in = |at: u8| self.place & (1 << at) != 0;
        // Most servers are the same in both files.
        let new = if self.new & 1 == 0 { self.old } else { self.new };
        for (at, (file, choice)) in files.iter_mut().zip([self.old, new]).enumerate() {
            if is_in(u8::from(at == 1)) {
                *file += &format!("  server {name} {}{}\n", address(choice), options(choice));
            }
        }
        if is_in(2) {
            let [address, port] = [0, 1].map(|part| {
                let address = address(self.live);
                address.rsplit_once(':').map_or("", |(host, port)| [host, port][part]).to_owned()
            });
            let (admin, weight) = (self.live >> 2 & 1, u32::from(self.live >> 3) * 8);
            *rows += &format!("3 {backend} {} {name} {address} 2 {admin} {weight} {port}\n", self.place);
        }
    }
}

fn address(choice: u8) -> String {
    format!("10.0.0.{}:{}", 1 + (choice >> 6), 80 + (choice & 1))
}

fn options(choice: u8) -> String {
    let pick = |shift: u8, length: usize| usize::from(choice >> shift) % length;
    [OPTIONS[pick(1, 8)], WEIGHTS[pick(3, 4)], LIMITS[pick(5, 4)]].concat()
}
