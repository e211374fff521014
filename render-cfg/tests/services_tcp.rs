//! Services of TCP in the shipped template: bytes, TLS that the servers end themselves, sessions and sticky clients,
//! through a real HAProxy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::daemon::{Daemon, are_there, output, succeed};
use support::haproxy::{free_address, is_there, serve};
use support::shipped::Shipped;
use support::tcp::{ask, connect, lines, until_check, until_status};
use support::until;

#[test]
fn each_bind_leads_to_its_service() {
    if !is_there() {
        return;
    }
    let (one, two, none) = (free_address(), free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  one: {{mode: tcp, bind: '{one}'}}\n  two: {{mode: tcp, bind: '{two}'}}\n  \
         none: {{mode: tcp, bind: '{none}'}}\n"
    ));
    for name in ["one", "two"] {
        let address = free_address();
        lines(address, name);
        shipped.node(name, address, &[("service", name)]);
    }
    let haproxy = shipped.start(&[], 0);
    for name in ["one", "two"] {
        until_check(&haproxy, name, name, "L4OK");
    }
    for (address, wanted) in [(one, "one"), (two, "two"), (none, "")] {
        assert_eq!(ask(&connect(address), "who"), wanted);
    }
}

#[test]
fn a_client_stays_at_its_server_and_others_have_theirs() {
    if !is_there() {
        return;
    }
    let front = free_address();
    let shipped = Shipped::with(&format!(
        "services: {{db: {{mode: tcp, bind: '{front}', sticky: source, balance: roundrobin}}}}\n"
    ));
    for name in ["a", "b", "c"] {
        let address = free_address();
        serve(address, move |_| Some(name.to_owned()));
        shipped.node(name, address, &[("role", "db")]);
    }
    let haproxy = shipped.start(&[], 0);
    ["a", "b", "c"].iter().for_each(|name| until_check(&haproxy, "db", name, "L4OK"));
    let ask_from = |source: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--interface", source]).arg(format!("http://{front}/"));
        output(&mut curl)
    };
    let sources = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let first = sources.map(ask_from);
    let servers: BTreeSet<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(servers, BTreeSet::from(["a", "b", "c"]), "roundrobin gives each new client another server");
    for (source, server) in sources.iter().zip(&first) {
        let again = [(); 3].map(|()| ask_from(source));
        assert_eq!(again, [(); 3].map(|()| server.clone()), "without sticky the next server would answer");
    }
}

#[test]
fn an_idle_client_is_disconnected_after_its_timeout() {
    if !is_there() {
        return;
    }
    let (quick, other) = (free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  quick: {{mode: tcp, bind: '{quick}', role: db, timeouts: {{client: 300ms}}}}\n  \
         other: {{mode: tcp, bind: '{other}', role: db}}\n"
    ));
    let address = free_address();
    lines(address, "a");
    shipped.node("a", address, &[("role", "db")]);
    let haproxy = shipped.start(&[], 0);
    ["quick", "other"].iter().for_each(|service| until_check(&haproxy, service, "a", "L4OK"));
    let (session, kept) = (connect(quick), connect(other));
    assert_eq!(ask(&session, "who"), "a");
    assert_eq!(ask(&kept, "who"), "a");
    let start = Instant::now();
    let mut rest = Vec::new();
    (&session).read_to_end(&mut rest).unwrap();
    let idle = start.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_secs(5)).contains(&idle), "{idle:?}");
    assert_eq!(ask(&kept, "who"), "a", "only that service has the timeout");
}

/// The REST API of a node of Patroni: /primary has the status 200 at one node and 503 at the others.
fn rest(address: SocketAddr, is_primary: impl Fn() -> bool + Send + 'static) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap_or_default();
            let is_good = head[..read].starts_with(b"GET /primary HTTP/1.") && is_primary();
            let status = if is_good { "200 OK" } else { "503 Service Unavailable" };
            // The client may have gone away.
            let _ = write!(stream, "HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{{}}");
        }
    });
}

/// Two nodes whose REST API has the same port, which this returns. The first is primary while the flag is set.
fn two_nodes(shipped: &Shipped, is_first_primary: &Arc<AtomicBool>) -> u16 {
    let mut port = None;
    for (name, is_first) in [("a", true), ("b", false)] {
        let mut address = free_address();
        lines(address, name);
        shipped.node(name, address, &[("role", "db")]);
        address.set_port(*port.get_or_insert_with(|| free_address().port() + 1000));
        let flag = Arc::clone(is_first_primary);
        rest(address, move || flag.load(Ordering::Relaxed) == is_first);
    }
    port.unwrap()
}

#[test]
fn sessions_follow_the_primary_that_another_port_names() {
    if !is_there() {
        return;
    }
    let (front, other) = (free_address(), free_address());
    let shipped = Shipped::with("");
    let is_first_primary = Arc::new(AtomicBool::new(true));
    let port = two_nodes(&shipped, &is_first_primary);
    let check = format!("role: db, check: http, check_path: /primary, check_port: {port}");
    let text = format!(
        "services:\n  db: {{mode: tcp, bind: '{front}', {check}, shutdown_sessions: true}}\n  \
         other: {{mode: tcp, bind: '{other}', {check}}}\n"
    );
    shipped.bed.write("v.yaml", &text);
    let haproxy = shipped.start(&[], 0);
    let until_primary = |new: &str, old: &str| {
        for service in ["db", "other"] {
            until_status(&haproxy, service, old, "DOWN");
            until_status(&haproxy, service, new, "UP");
            until_check(&haproxy, service, old, "L7STS");
            until_check(&haproxy, service, new, "L7OK");
        }
    };
    until_primary("a", "b");
    let kept = connect(other);
    assert_eq!(ask(&kept, "who"), "a");
    for (old, new) in [("a", "b"), ("b", "a")] {
        let session = connect(front);
        assert_eq!(ask(&session, "who"), old);
        is_first_primary.store(new == "a", Ordering::Relaxed);
        until_primary(new, old);
        until("the end of the old session", || ask(&session, "who").is_empty().then_some(()));
        assert_eq!(ask(&connect(front), "who"), new);
        assert_eq!(ask(&kept, "who"), "a", "without shutdown_sessions it goes on");
    }
}

/// Starts a real TLS server with a certificate of its own.
fn tls_server(shipped: &Shipped, name: &str, address: SocketAddr) -> Daemon {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    make.args(["-keyout", &key, "-out", &certificate, "-subj", &format!("/CN={name}")]);
    succeed(make.current_dir(shipped.bed.scratch.path()));
    let mut server = Command::new("openssl");
    server.args(["s_server", "-quiet", "-accept", &address.to_string(), "-cert", &certificate, "-key", &key]);
    server.current_dir(shipped.bed.scratch.path());
    let server = Daemon::start(&mut server, Signal::SIGKILL, &shipped.bed.path("tls.log"));
    until("a TLS server", || TcpStream::connect(address).ok());
    server
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

/// An address that passes bytes on, those of the first packet in pieces, as a large hello arrives.
fn in_pieces(target: SocketAddr) -> SocketAddr {
    let address = free_address();
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(target).unwrap();
            server.set_nodelay(true).unwrap();
            let mut answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let mut hello = [0; 16384];
            let length = client.read(&mut hello).unwrap();
            for piece in hello[..length].chunks(60) {
                // HAProxy may have refused the connection already.
                let _ = server.write_all(piece);
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
            let _ = std::io::copy(&mut answers.0, &mut answers.1);
            let _ = answers.1.shutdown(std::net::Shutdown::Both);
        }
    });
    address
}

#[test]
fn tls_passes_through_to_the_service_of_its_host() {
    if !is_there() || !are_there(&["openssl"]) {
        return;
    }
    let (front, strict) = (free_address(), free_address());
    let shipped = Shipped::with(&format!(
        "services:\n  mail: {{mode: tcp, bind: '{front}', hosts: mail.example.org}}\n  \
         customers: {{mode: tcp, bind: '{front}', hosts: '*.example.org'}}\n  other: {{mode: tcp, bind: '{front}'}}\n  \
         strict: {{mode: tcp, bind: '{strict}', hosts: mail.example.org, role: mail}}\n"
    ));
    let servers = ["mail", "customers", "other"].map(|name| {
        let address = free_address();
        shipped.node(name, address, &[("role", name)]);
        tls_server(&shipped, name, address)
    });
    let haproxy = shipped.start(&[], 0);
    for (service, server) in
        [("mail", "mail"), ("customers", "customers"), ("other", "other"), ("strict", "mail")]
    {
        until_check(&haproxy, service, server, "L4OK");
    }
    for (address, host, wanted) in [
        (front, "mail.example.org", "mail"),
        (front, "MAIL.example.org", "mail"),
        (front, "a.example.org", "customers"),
        (front, "a.b.example.org", "other"),
        (front, "", "other"),
        (in_pieces(front), "mail.example.org", "mail"),
        (in_pieces(front), "a.example.org", "customers"),
        (strict, "mail.example.org", "mail"),
        (in_pieces(strict), "mail.example.org", "mail"),
        (strict, "a.example.org", ""),
        (strict, "", ""),
    ] {
        assert_eq!(certificate(address, host), wanted, "'{host}'");
    }
    let answer = ask(&connect(strict), "GET / HTTP/1.1\r\n");
    assert!(answer.is_empty(), "what does not begin with TLS is refused: {answer}");
    drop(servers);
}
