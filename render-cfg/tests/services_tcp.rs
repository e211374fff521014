//! Services of TCP in the shipped template: bytes, TLS that the servers end themselves, sessions and sticky clients,
//! through a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::haproxy::{HaProxy, free_address, is_there, serve};
use support::shipped::Shipped;
use support::until;

/// A server that answers each line with its name, and keeps its connections.
fn lines(address: SocketAddr, name: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    if writeln!(answers, "{name}").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Sends a line and returns the answer; empty if the connection was closed.
fn ask(stream: &TcpStream) -> String {
    let mut stream = stream;
    // A closed connection can refuse the line or the read; both mean that there is no answer.
    let _ = stream.write_all(b"who\n");
    let mut answer = String::new();
    let _ = BufReader::new(stream).read_line(&mut answer);
    answer.trim_end().to_owned()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn until_status(haproxy: &HaProxy, backend: &str, server: &str, wanted: &str) {
    until(&format!("{backend}/{server} to be {wanted}"), || {
        haproxy.stat_of(backend, server, "check_status").filter(|status| status == wanted)
    });
}

#[test]
fn each_bind_leads_to_its_service_and_a_client_stays_at_its_server() {
    if !is_there() {
        return;
    }
    let (one, two) = (free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  one: {{mode: tcp, bind: '{one}'}}\n  two: {{mode: tcp, bind: '{two}', sticky: source, balance: roundrobin}}\n"
    ));
    for (name, service) in [("a", "one"), ("b", "two"), ("c", "two"), ("d", "two")] {
        let address = free_address();
        lines(address, name);
        shipped.node(name, address, &[("service", service)]);
    }
    let haproxy = shipped.start(&[], 0);
    for (backend, server) in [("one", "a"), ("two", "b"), ("two", "c"), ("two", "d")] {
        until_status(&haproxy, backend, server, "L4OK");
    }
    assert_eq!(ask(&connect(one)), "a");
    let first = ask(&connect(two));
    assert!(["b", "c", "d"].contains(&&*first), "{first}");
    for _ in 0..6 {
        assert_eq!(ask(&connect(two)), first, "roundrobin alone would change servers");
    }
    assert!(shipped.bed.read("out").contains("\n    stick on src\n"));
}

#[test]
fn sessions_follow_the_primary_that_another_port_names() {
    if !is_there() {
        return;
    }
    let front = free_address();
    let shipped = Shipped::with("");
    let primary = Arc::new(AtomicBool::new(true));
    // As Patroni has it: the REST API of each node has the same port.
    let check_port = front.port() + 1;
    for (name, is_first) in [("a", true), ("b", false)] {
        let mut address = free_address();
        lines(address, name);
        shipped.node(name, address, &[("role", "db")]);
        address.set_port(check_port);
        let primary = Arc::clone(&primary);
        serve(address, move |head| {
            let is_primary = primary.load(Ordering::Relaxed) == is_first;
            (is_primary && head.contains(" /primary ")).then(String::new)
        });
    }
    shipped.bed.write(
        "v.yaml",
        &format!(
            "services: {{db: {{mode: tcp, bind: '{front}', check: http, check_path: /primary, check_port: {check_port}, \
             shutdown_sessions: true}}}}\n"
        ),
    );
    let haproxy = shipped.start(&[], 0);
    until_status(&haproxy, "db", "a", "L7OK");
    until("the second server to be down", || haproxy.stat_of("db", "b", "status").filter(|s| s == "DOWN"));
    let session = connect(front);
    assert_eq!(ask(&session), "a");
    primary.store(false, Ordering::Relaxed);
    until("the end of the old session", || ask(&session).is_empty().then_some(()));
    until("the new primary", || (ask(&connect(front)) == "b").then_some(()));
}

/// A real TLS server with a certificate of its own; ended when it is dropped.
struct Tls(Child);

impl Tls {
    fn start(shipped: &Shipped, name: &str, address: SocketAddr) -> Tls {
        let script = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.crt \
             -subj /CN={name} 2>/dev/null; exec openssl s_server -accept {address} -cert {name}.crt -key {name}.key -quiet"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(shipped.bed.scratch.path());
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Tls(child);
        until("a TLS server", || TcpStream::connect(address).ok());
        server
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The name in the certificate that a client gets that asks for this host; empty if it gets none.
fn certificate(address: SocketAddr, host: &str) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address.to_string()]);
    if host.is_empty() {
        client.arg("-noservername")
    } else {
        client.args(["-servername", host])
    };
    let output = client.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let subject = text.lines().find(|line| line.starts_with("subject=")).unwrap_or_default().to_owned();
    subject.rsplit(['=', ' ']).next().unwrap_or_default().to_owned()
}

#[test]
fn tls_passes_through_to_the_service_of_its_host() {
    if !is_there() {
        return;
    }
    let (front, strict) = (free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  mail: {{mode: tcp, bind: '{front}', hosts: mail.example.org}}\n  \
         customers: {{mode: tcp, bind: '{front}', hosts: '*.example.org'}}\n  other: {{mode: tcp, bind: '{front}'}}\n  \
         strict: {{mode: tcp, bind: '{strict}', hosts: mail.example.org, role: mail}}\n"
    ));
    let mut servers = Vec::new();
    let names = ["mail", "customers", "other"];
    for name in names {
        let address = free_address();
        servers.push(Tls::start(&shipped, name, address));
        shipped.node(name, address, &[("role", name)]);
    }
    let haproxy = shipped.start(&[], 0);
    names.iter().for_each(|name| until_status(&haproxy, name, name, "L4OK"));
    until_status(&haproxy, "strict", "mail", "L4OK");
    for (address, host, wanted) in [
        (front, "mail.example.org", "mail"),
        (front, "MAIL.example.org", "mail"),
        (front, "a.example.org", "customers"),
        (front, "a.b.example.org", "other"),
        (front, "", "other"),
        (strict, "mail.example.org", "mail"),
        (strict, "a.example.org", ""),
        (strict, "", ""),
    ] {
        assert_eq!(certificate(address, host), wanted, "{host}");
    }
    let mut plain = connect(strict);
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.is_empty(), "what does not begin with TLS is refused");
}
